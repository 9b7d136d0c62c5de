{{/* What the Pods of either role connect to. */}}
{{- define "tidegate.egress" -}}
# DNS.
- ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
# AWS and the Kubernetes API.
- ports:
    - {port: 443, protocol: TCP}
# The EKS Pod Identity agent.
- to:
    - ipBlock: {cidr: 169.254.170.23/32}
    - ipBlock: {cidr: "fd00:ec2::23/128"}
  ports:
    - {port: 80, protocol: TCP}
{{- if or .Values.revocation.allowedHosts .Values.revocation.privateHosts }}
# OCSP responders and CRL hosts, but never instance metadata.
- to:
    - ipBlock: {cidr: 0.0.0.0/0, except: [169.254.0.0/16]}
    - ipBlock: {cidr: "::/0", except: ["fd00:ec2::/32"]}
  ports:
    - {port: 80, protocol: TCP}
{{- end }}
{{- with .Values.networkPolicy.extraEgress }}
{{- toYaml . | nindent 0 }}
{{- end }}
{{- end -}}
