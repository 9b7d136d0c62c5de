{{/* The annotations of a webhook configuration, with their key; nothing if there are none. */}}
{{- define "tidegate.webhookAnnotations" -}}
{{- $annotations := .Values.webhook.annotations -}}
{{- if eq .Values.certificate.mode "certManager" -}}
{{- $injector := dict "cert-manager.io/inject-ca-from" (printf "%s/%s" .Release.Namespace (include "tidegate.fullname" .)) -}}
{{- $annotations = merge $injector $annotations -}}
{{- end -}}
{{- with $annotations -}}
annotations: {{- toYaml . | nindent 2 }}
{{- end -}}
{{- end -}}

{{/* The caBundle that the manifest of a webhook configuration sets, in base64; nothing if it sets none. Takes root and kind.
     The Pods of before an upgrade serve until they are replaced, so the upgrade that changes certificate.mode keeps the
     CAs that the API server trusts:
     - with mode "secret" beside the value, if helm did not set the bundle, that is if another mode was before;
     - with other modes if helm set it, that is if "secret" was before. Without it in the manifest, helm would remove it.
     When the controller or the cainjector has changed the bundle, it is helm's no more.
     "helm template" looks nothing up, so it sets the value only. */}}
{{- define "tidegate.caBundle" -}}
{{- $present := "" -}}
{{- $ofHelm := false -}}
{{- with lookup "admissionregistration.k8s.io/v1" .kind "" (include "tidegate.fullname" .root) -}}
{{- $present = dig "clientConfig" "caBundle" "" (first .webhooks) -}}
{{- range .metadata.managedFields -}}
{{- if and (or (eq .operation "Apply") (eq .manager "helm")) (contains "f:caBundle" (toJson .fieldsV1)) -}}
{{- $ofHelm = true -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if ne .root.Values.certificate.mode "secret" -}}
{{- ternary $present "" $ofHelm -}}
{{- else if or $ofHelm (not $present) -}}
{{- .root.Values.certificate.caBundle | b64enc -}}
{{- else -}}
{{- list .root.Values.certificate.caBundle (b64dec $present) | join "\n" | b64enc -}}
{{- end -}}
{{- end -}}

{{/* One entry of a webhook configuration. Takes root, name, path, failurePolicy, caBundle (base64 or nothing), namespaces
     (operator and values of a matchExpression, in addition to the exempt ones) and, if not all resources with images, the
     template of the rules. */}}
{{- define "tidegate.webhook" -}}
- name: {{ .name }}
  failurePolicy: {{ .failurePolicy }}
  sideEffects: None
  # Also match requests with another API version of the same resource.
  matchPolicy: Equivalent
  timeoutSeconds: {{ int .root.Values.webhook.timeoutSeconds }}
  admissionReviewVersions: [v1]
  clientConfig:
    service:
      namespace: {{ .root.Release.Namespace }}
      name: {{ include "tidegate.fullname" .root }}
      port: 443
      path: {{ .path }}
    {{- with .caBundle }}
    caBundle: {{ . }}
    {{- end }}
  namespaceSelector:
    matchExpressions:
      - key: kubernetes.io/metadata.name
        operator: NotIn
        values: {{ include "tidegate.exemptNamespaces" .root }}
      {{- with .namespaces }}
      - key: kubernetes.io/metadata.name
        operator: {{ .operator }}
        values: {{ toJson .values }}
      {{- end }}
  {{- with .root.Values.webhook.objectSelector }}
  objectSelector: {{- toYaml . | nindent 4 }}
  {{- end }}
  # Exactly the resources with images. No status, no scale, no leases: nothing that a cluster needs to recover.
  rules: {{- include (.rules | default "tidegate.resourceRules") .root | nindent 4 }}
  # An update that changes no image passes without a call: replicas, labels, environment, finalizers, and what the
  # Deployment and Job controllers write. The API server evaluates this itself, so such updates also pass while tidegate is
  # down. The expression lists the images where each kind has them: Pods, workloads with a template, CronJobs.
  matchConditions:
    - name: images-changed
      expression: >-
        {{- include "tidegate.imagesChanged" . | nindent 8 }}
    {{- range .root.Values.webhook.matchConditions }}
    - {{ toYaml . | nindent 6 | trim }}
    {{- end }}
{{- end -}}

{{/* The images of an object, as a CEL list of lists. Takes the CEL variable's name. */}}
{{- define "tidegate.imagesOf" -}}
[{{ . }}.?spec, {{ . }}.?spec.?template.?spec, {{ . }}.?spec.?jobTemplate.?spec.?template.?spec].map(s,
  [s.?containers.orValue([]).map(c, c.?image.orValue("")),
   s.?initContainers.orValue([]).map(c, c.?image.orValue("")),
   s.?ephemeralContainers.orValue([]).map(c, c.?image.orValue("")),
   s.?volumes.orValue([]).map(v, v.?image.?reference.orValue(""))])
{{- end -}}

{{- define "tidegate.imagesChanged" -}}
request.operation != "UPDATE" ||
{{ include "tidegate.imagesOf" "object" }} !=
{{ include "tidegate.imagesOf" "oldObject" }}
{{- end -}}

{{/* Exactly the resources with images. */}}
{{- define "tidegate.resourceRules" -}}
- apiGroups: [""]
  apiVersions: [v1]
  resources: [pods, pods/ephemeralcontainers, replicationcontrollers]
  operations: [CREATE, UPDATE]
  scope: Namespaced
- apiGroups: [apps]
  apiVersions: [v1]
  resources: [deployments, replicasets, statefulsets, daemonsets]
  operations: [CREATE, UPDATE]
  scope: Namespaced
- apiGroups: [batch]
  apiVersions: [v1]
  resources: [jobs, cronjobs]
  operations: [CREATE, UPDATE]
  scope: Namespaced
{{- end -}}

{{/* Pods only: workloads keep their tags, and the Pods made from them are pinned. */}}
{{- define "tidegate.podRules" -}}
- apiGroups: [""]
  apiVersions: [v1]
  resources: [pods, pods/ephemeralcontainers]
  operations: [CREATE, UPDATE]
  scope: Namespaced
{{- end -}}
