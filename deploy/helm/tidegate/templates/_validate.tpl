{{/* Refuse combinations of values that the schema can't express. Each message says what to do. */}}
{{- define "tidegate.validate" -}}
{{- $v := .Values -}}
{{- $problems := list -}}
{{- if and $v.auditOnly $v.namespaces.enforced -}}
{{- $problems = append $problems "namespaces.enforced lists namespaces, but auditOnly is true, so nothing is enforced: set auditOnly to false, or set namespaces.enforced to []." -}}
{{- end -}}
{{- if and $v.auditOnly $v.namespaces.audit -}}
{{- $problems = append $problems "namespaces.audit lists namespaces, but auditOnly is true, so all namespaces are audit only: set auditOnly to false, or set namespaces.audit to []." -}}
{{- end -}}
{{- if and $v.namespaces.enforced $v.namespaces.audit -}}
{{- $problems = append $problems "namespaces.enforced and namespaces.audit are both set: set only namespaces.enforced (all other namespaces are then audit only), or only namespaces.audit (all others are then enforced)." -}}
{{- end -}}
{{- range concat $v.namespaces.enforced $v.namespaces.audit -}}
{{- if has . $v.namespaces.exempt -}}
{{- $problems = append $problems (printf "namespace %q is exempt and also enforced or audited: remove it from one of the lists." .) -}}
{{- else if eq . $.Release.Namespace -}}
{{- $problems = append $problems (printf "namespace %q is the release's own, which is always exempt, so that tidegate can start: remove it from namespaces.enforced and namespaces.audit." .) -}}
{{- end -}}
{{- end -}}
{{- if and $v.digestPinning.namespaces (not $v.digestPinning.enabled) -}}
{{- $problems = append $problems "digestPinning.namespaces lists namespaces, but digestPinning.enabled is false: set digestPinning.enabled to true, or set digestPinning.namespaces to []." -}}
{{- end -}}
{{- range $v.digestPinning.namespaces -}}
{{- if or (has . $v.namespaces.exempt) (eq . $.Release.Namespace) -}}
{{- $problems = append $problems (printf "namespace %q is exempt, so nothing is pinned there: remove it from digestPinning.namespaces." .) -}}
{{- end -}}
{{- end -}}
{{- if and (has "Deny" $v.baselinePolicy.validationActions) (has "Warn" $v.baselinePolicy.validationActions) -}}
{{- $problems = append $problems "baselinePolicy.validationActions has Deny and Warn: remove Warn, because a refusal already says why." -}}
{{- end -}}
{{- if eq $v.certificate.mode "secret" -}}
{{- if not $v.certificate.secretName -}}
{{- $problems = append $problems "certificate.mode is secret, but certificate.secretName is empty: set it to the name of the Secret with tls.crt and tls.key." -}}
{{- end -}}
{{- if not (contains "-----BEGIN CERTIFICATE-----" $v.certificate.caBundle) -}}
{{- $problems = append $problems "certificate.mode is secret, but certificate.caBundle has no PEM certificate: set it to the CA certificate that the API server must trust." -}}
{{- end -}}
{{- if $v.certificate.dnsNames -}}
{{- $problems = append $problems "certificate.dnsNames is set, but with certificate.mode secret you provide the certificate: add the names to your certificate and set certificate.dnsNames to []." -}}
{{- end -}}
{{- else if $v.certificate.caBundle -}}
{{- $problems = append $problems (printf "certificate.caBundle is set, but certificate.mode %s sets it automatically: set it to \"\", or use certificate.mode secret." $v.certificate.mode) -}}
{{- end -}}
{{- if and (ne $v.certificate.mode "certManager") $v.certificate.issuerRef.name -}}
{{- $problems = append $problems (printf "certificate.issuerRef names an issuer, but certificate.mode is %s: use certificate.mode certManager." $v.certificate.mode) -}}
{{- end -}}
{{- if eq (int $v.server.port) (int $v.server.metricsPort) -}}
{{- $problems = append $problems (printf "server.port and server.metricsPort are both %d: use different ports." (int $v.server.port)) -}}
{{- end -}}
{{- if or (eq (int $v.server.port) 10250) (eq (int $v.server.metricsPort) 10250) -}}
{{- $problems = append $problems "port 10250 is the kubelet's, on Fargate also in the Pod's network: use another port, such as 9443, which the EKS control plane can often reach." -}}
{{- end -}}
{{- if and (not $v.serviceAccount.create) (not $v.serviceAccount.name) -}}
{{- $problems = append $problems "serviceAccount.create is false, but serviceAccount.name is empty: set it to the name of an existing ServiceAccount." -}}
{{- end -}}
{{- if and (not $v.serviceAccount.create) $v.serviceAccount.annotations -}}
{{- $problems = append $problems "serviceAccount.annotations is set, but serviceAccount.create is false, so the chart does not write them: annotate the ServiceAccount yourself." -}}
{{- end -}}
{{- if and $v.metrics.prometheusRule.enabled (not $v.metrics.service) -}}
{{- $problems = append $problems "metrics.prometheusRule.enabled needs the Service that metrics.service creates, because its alerts select that job: set metrics.service to true." -}}
{{- end -}}
{{- if and $v.metrics.serviceMonitor.enabled (not $v.metrics.service) -}}
{{- $problems = append $problems "metrics.serviceMonitor.enabled needs the Service that metrics.service creates: set metrics.service to true." -}}
{{- end -}}
{{- if and $v.webhook.objectSelector (not $v.auditOnly) -}}
{{- $problems = append $problems "webhook.objectSelector is set, but auditOnly is false: users choose labels, so they could bypass tidegate. Remove it, or set auditOnly to true." -}}
{{- end -}}
{{- $accounts := list -}}
{{- range $v.aws.accounts -}}
{{- if has .account $accounts -}}
{{- $problems = append $problems (printf "aws.accounts names account %s twice: keep one entry." .account) -}}
{{- end -}}
{{- if and .externalId (not .roleArn) -}}
{{- $problems = append $problems (printf "aws.accounts sets an externalId but no roleArn for account %s: set its roleArn, or remove the externalId." .account) -}}
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
{{- fail (printf "\n\nThese values contradict each other:\n- %s\n" (join "\n- " $problems)) -}}
{{- end -}}
{{- end -}}
