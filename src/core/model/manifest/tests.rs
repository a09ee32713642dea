use super::*;

#[test]
fn a_manifest_survives_the_way_to_a_policy_and_back() {
    let text = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: a, namespace: x}
spec:
  podSelector: {}
  ingress:
  - {}
  - ports: [{port: 80, endPort: 90}, {port: http, protocol: UDP}, {}]
    from:
    - podSelector: {}
    - namespaceSelector: {matchLabels: {a: '1', b: 'true', c: ''}}
      podSelector:
    - ipBlock: {cidr: 10.0.0.7/8, except: [10.1.0.0/16]}
";
    let written: NetworkPolicy = serde_saphyr::from_str(text).unwrap();
    let policy = written.validate().unwrap();
    let again: NetworkPolicy = serde_saphyr::from_str(&to_yaml(&policy)).unwrap();
    assert_eq!(again.validate().unwrap(), policy);
}
