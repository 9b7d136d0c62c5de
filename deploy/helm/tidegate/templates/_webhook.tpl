{{/* One entry of the webhook configuration. Takes root, name, path, failurePolicy and namespaces (operator and values of a
     matchExpression, in addition to the exempt ones). */}}
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
    {{- if eq .root.Values.certificate.mode "secret" }}
    caBundle: {{ .root.Values.certificate.caBundle | b64enc }}
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
  # Exactly the resources with images. No status, no scale, no leases: nothing that a cluster needs to recover.
  rules:
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
  # An update that does not change the spec changes no image: labels, annotations, finalizers of objects being deleted. The
  # API server evaluates this itself, so such updates also pass while tidegate is down.
  matchConditions:
    - name: spec-changed
      expression: request.operation != "UPDATE" || object.spec != oldObject.spec
{{- end -}}
