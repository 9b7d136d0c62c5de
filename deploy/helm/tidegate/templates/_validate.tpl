{{/* Refuse combinations of values that the schema can't, each with a sentence that says what to do. */}}
{{- define "tidegate.validate" -}}
{{- $v := .Values -}}
{{- $problems := list -}}
{{- if and $v.auditOnly $v.namespaces.enforced -}}
{{- $problems = append $problems "namespaces.enforced names namespaces, but auditOnly is true, so nothing is enforced anywhere: set auditOnly to false, or empty namespaces.enforced." -}}
{{- end -}}
{{- if and $v.auditOnly $v.namespaces.audit -}}
{{- $problems = append $problems "namespaces.audit names namespaces, but auditOnly is true, so all namespaces are audit only: set auditOnly to false, or empty namespaces.audit." -}}
{{- end -}}
{{- if and $v.namespaces.enforced $v.namespaces.audit -}}
{{- $problems = append $problems "namespaces.enforced and namespaces.audit are both given: name the enforced ones (all others are then audit only) or the audit ones (all others are then enforced)." -}}
{{- end -}}
{{- range concat $v.namespaces.enforced $v.namespaces.audit -}}
{{- if has . $v.namespaces.exempt -}}
{{- $problems = append $problems (printf "namespace %q is exempt and also enforced or audited: remove it from one of the lists." .) -}}
{{- else if eq . $.Release.Namespace -}}
{{- $problems = append $problems (printf "namespace %q is the release's own, which is always exempt, since tidegate must be able to start without itself: remove it from namespaces.enforced and namespaces.audit." .) -}}
{{- end -}}
{{- end -}}
{{- if and (has "Deny" $v.baselinePolicy.validationActions) (has "Warn" $v.baselinePolicy.validationActions) -}}
{{- $problems = append $problems "baselinePolicy.validationActions has Deny and Warn: a refusal already tells the person why, so leave Warn out." -}}
{{- end -}}
{{- if eq $v.certificate.mode "secret" -}}
{{- if not $v.certificate.secretName -}}
{{- $problems = append $problems "certificate.mode is secret, but certificate.secretName is empty: name the Secret that holds tls.crt and tls.key." -}}
{{- end -}}
{{- if not (contains "-----BEGIN CERTIFICATE-----" $v.certificate.caBundle) -}}
{{- $problems = append $problems "certificate.mode is secret, but certificate.caBundle has no PEM certificate: give the one that the API server is to trust." -}}
{{- end -}}
{{- if $v.certificate.dnsNames -}}
{{- $problems = append $problems "certificate.dnsNames is given, but with certificate.mode secret the certificate is yours: put the names into it." -}}
{{- end -}}
{{- else if $v.certificate.caBundle -}}
{{- $problems = append $problems (printf "certificate.caBundle is given, but certificate.mode %s fills it in by itself: empty it, or use certificate.mode secret." $v.certificate.mode) -}}
{{- end -}}
{{- if and (ne $v.certificate.mode "certManager") $v.certificate.issuerRef.name -}}
{{- $problems = append $problems (printf "certificate.issuerRef names an issuer, but certificate.mode is %s: use certificate.mode certManager." $v.certificate.mode) -}}
{{- end -}}
{{- if eq (int $v.server.port) (int $v.server.metricsPort) -}}
{{- $problems = append $problems (printf "server.port and server.metricsPort are both %d: give each its own." (int $v.server.port)) -}}
{{- end -}}
{{- if or (eq (int $v.server.port) 10250) (eq (int $v.server.metricsPort) 10250) -}}
{{- $problems = append $problems "port 10250 is the kubelet's, on Fargate in the Pod's own network too: use another, 9443 is commonly open from the EKS control plane." -}}
{{- end -}}
{{- if and (not $v.serviceAccount.create) (not $v.serviceAccount.name) -}}
{{- $problems = append $problems "serviceAccount.create is false, but serviceAccount.name is empty: name the ServiceAccount that exists." -}}
{{- end -}}
{{- if and (not $v.serviceAccount.create) $v.serviceAccount.annotations -}}
{{- $problems = append $problems "serviceAccount.annotations is given, but serviceAccount.create is false, so nobody would write them: annotate the ServiceAccount yourself." -}}
{{- end -}}
{{- if and $v.metrics.serviceMonitor.enabled (not $v.metrics.service) -}}
{{- $problems = append $problems "metrics.serviceMonitor.enabled needs the Service that metrics.service creates: set metrics.service to true." -}}
{{- end -}}
{{- $accounts := list -}}
{{- range $v.aws.accounts -}}
{{- if has .account $accounts -}}
{{- $problems = append $problems (printf "aws.accounts names account %s twice: keep one entry." .account) -}}
{{- end -}}
{{- if and .externalId (not .roleArn) -}}
{{- $problems = append $problems (printf "aws.accounts gives account %s an externalId but no roleArn to use it with." .account) -}}
{{- end -}}
{{- $accounts = append $accounts .account -}}
{{- end -}}
{{- $hosts := list -}}
{{- range $v.registries -}}
{{- if has .host $hosts -}}
{{- $problems = append $problems (printf "registries names host %s twice: keep one entry." .host) -}}
{{- end -}}
{{- $hosts = append $hosts .host -}}
{{- end -}}
{{- if $problems -}}
{{- fail (printf "\n\nThese values don't fit together:\n- %s\n" (join "\n- " $problems)) -}}
{{- end -}}
{{- end -}}
