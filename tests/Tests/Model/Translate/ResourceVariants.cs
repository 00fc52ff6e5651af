namespace Mesh.Tests.Model.Translations;

/// <summary>One object that is there in one of three forms, or not at all; each form changes something that another part of the translation may have looked at.</summary>
internal sealed record ResourceVariants(string Name, bool StartsPresent, string One, string Two, string Three)
{
    /// <returns>Null for 0: the object is gone.</returns>
    public string? Variants(int number) => number switch { 1 => One, 2 => Two, 3 => Three, _ => null };

    public static ResourceVariants[] All { get; } =
    [
        Service("web", "shop", "spec: {clusterIP: 10.1.0.1, selector: {app: web}, ports: [{name: http, port: 80, targetPort: web}]}",
            "spec: {clusterIP: 10.1.0.1, selector: {app: web}, ports: [{name: http, port: 80, targetPort: web}, {name: tcp-admin, port: 9000}]}",
            "spec: {clusterIP: 10.1.0.7, selector: {app: web}, ports: [{name: grpc, port: 80, targetPort: web}], trafficDistribution: PreferClose}"),
        Service("db", "data", "spec: {clusterIP: 10.1.0.2, selector: {app: db}, ports: [{name: tcp, port: 5432}, {name: http, port: 80}]}",
            "spec: {clusterIP: None, selector: {app: db}, ports: [{name: tcp, port: 5432}, {name: http, port: 80}]}",
            "spec: {clusterIP: 10.1.0.2, selector: {app: db}, internalTrafficPolicy: Local, ports: [{name: tcp, port: 5432}, {name: http, port: 80}]}"),
        Service("api", "shop", "spec: {clusterIP: 10.1.0.3, selector: {app: api}, ports: [{name: http, port: 80}, {name: other, port: 7000}]}",
            "spec: {type: ExternalName, externalName: db.data.svc.cluster.local, ports: [{name: http, port: 80}]}",
            "spec: {clusterIP: 10.1.0.3, selector: {app: api}, ports: [{name: https, port: 443}]}"),
        Service("private", "other", "spec: {clusterIP: 10.1.0.4, selector: {app: lone}, ports: [{name: http, port: 80}]}",
            "spec: {clusterIP: 10.1.0.4, selector: {app: lone}, ports: [{name: tls, port: 443}]}", "spec: {clusterIP: 10.1.0.4, ports: [{name: http, port: 8080}]}"),
        Slice("web", "shop", "http", "{addresses: [10.2.0.1], targetRef: {kind: Pod, name: web-1}}",
            "{addresses: [10.2.0.1], targetRef: {kind: Pod, name: web-1}}, {addresses: [10.2.0.2], targetRef: {kind: Pod, name: web-2}}", "{addresses: [10.2.0.2], targetRef: {kind: Pod, name: web-2}}"),
        Slice("web", "shop", "http, port: 9090, number: 2", "{addresses: [10.2.0.2], targetRef: {kind: Pod, name: web-2}}", "{addresses: [10.2.0.1], targetRef: {kind: Pod, name: web-1}}", "", name: "web-more", starts: false),
        Slice("db", "data", "tcp", "{addresses: [10.2.1.1], targetRef: {kind: Pod, name: db-1}}",
            "{addresses: [10.2.1.1], targetRef: {kind: Pod, name: db-1}}, {addresses: [10.2.1.9], zone: z1, nodeName: n1}", "{addresses: [10.2.1.9], conditions: {ready: false}}"),
        Slice("api", "shop", "http", "{addresses: [10.2.2.1], nodeName: n1}", "{addresses: [10.2.2.1], nodeName: n2}", "{addresses: [10.2.2.2]}"),
        Pod("web-1", "shop", "10.2.0.1", "app: web, version: v1, security.istio.io/tlsMode: istio", "app: web, version: v2, security.istio.io/tlsMode: istio", "app: web, version: v1"),
        Pod("web-2", "shop", "10.2.0.2", "app: web, version: v2, security.istio.io/tlsMode: istio", "app: web, version: v2", "app: web, version: v2, istio-locality: r1.z2"),
        Pod("db-1", "data", "10.2.1.1", "app: db", "app: db, security.istio.io/tlsMode: istio", "app: db, topology.istio.io/network: n2"),
        new("node", false, Node("r1", "z1"), Node("r1", "z2"), Node("r2", "z1")),
        VirtualService("web", "shop", "hosts: [web], http: [{route: [{destination: {host: web}}]}]",
            "hosts: [web], http: [{timeout: 2s, route: [{destination: {host: web, subset: v1}, weight: 80}, {destination: {host: web, subset: v2}, weight: 20}]}]",
            "hosts: [web], exportTo: [\".\"], http: [{match: [{sourceNamespace: other}], fault: {abort: {httpStatus: 418, percentage: {value: 100}}}, route: [{destination: {host: web}}]}, {route: [{destination: {host: api}}]}]"),
        VirtualService("all", "data", "hosts: [\"*.data.svc.cluster.local\"], http: [{timeout: 3s, route: [{destination: {host: db, port: {number: 80}}}]}]",
            "hosts: [db], tcp: [{route: [{destination: {host: web.shop.svc.cluster.local, port: {number: 80}}}]}]",
            "hosts: [db, elsewhere.example.com], http: [{match: [{sourceLabels: {app: db}}], route: [{destination: {host: web.shop.svc.cluster.local}}]}]"),
        VirtualService("tls", "shop", "hosts: [api], tls: [{match: [{port: 443, sniHosts: [api.shop.svc.cluster.local]}], route: [{destination: {host: web}}]}]",
            "hosts: [api], gateways: [gw], http: [{route: [{destination: {host: api, port: {number: 80}}}]}]", "hosts: [web.example.com], gateways: [gw, mesh], http: [{route: [{destination: {host: web, subset: v1}}]}]"),
        VirtualService("root", "shop", "hosts: [api], http: [{delegate: {name: leaf}}]", "hosts: [api], http: [{match: [{uri: {prefix: /a}}], delegate: {name: leaf, namespace: shop}}]", "hosts: [api], http: [{redirect: {uri: /x}}]"),
        VirtualService("leaf", "shop", "http: [{timeout: 1s, route: [{destination: {host: api}}]}]", "http: [{match: [{uri: {prefix: /a/b}}], route: [{destination: {host: db.data.svc.cluster.local, port: {number: 80}}}]}]", "http: [{mirror: {host: web}, route: [{destination: {host: api}}]}]"),
        DestinationRule("web", "shop", "host: web, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]",
            "host: web, trafficPolicy: {loadBalancer: {simple: PASSTHROUGH}, outlierDetection: {consecutive5xxErrors: 3}}, subsets: [{name: v1, labels: {version: v1}}]",
            "host: web, trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: x-user}}, connectionPool: {tcp: {maxConnections: 7, idleTimeout: 9s}}}, exportTo: [\".\"]"),
        DestinationRule("web-too", "shop", "host: web, subsets: [{name: v3, labels: {version: v3}}]", "host: web, trafficPolicy: {tls: {mode: DISABLE}}", "host: web, workloadSelector: {matchLabels: {version: v2}}, trafficPolicy: {tls: {mode: SIMPLE}}"),
        DestinationRule("wide", "istio-system", "host: \"*.local\", trafficPolicy: {connectionPool: {http: {http1MaxPendingRequests: 5}}}",
            "host: \"*.shop.svc.cluster.local\", trafficPolicy: {loadBalancer: {localityLbSetting: {failoverPriority: [version]}}, outlierDetection: {consecutive5xxErrors: 1}}",
            "host: db.data.svc.cluster.local, trafficPolicy: {portLevelSettings: [{port: {number: 5432}, connectionPool: {tcp: {idleTimeout: 4s}}}]}"),
        new("entry", false, Entry("hosts: [ext.example.com], location: MESH_EXTERNAL, resolution: DNS, ports: [{number: 80, name: http, protocol: HTTP}]"),
            Entry("hosts: [web], location: MESH_INTERNAL, resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP}], workloadSelector: {labels: {app: web}}"),
            Entry("hosts: [\"*.example.com\"], location: MESH_EXTERNAL, resolution: NONE, ports: [{number: 443, name: tls, protocol: TLS}, {number: 80, name: http, protocol: HTTP}]")),
        new("workload", false, Workload("address: 10.3.0.1, labels: {app: web, version: v1}, serviceAccount: vm"), Workload("address: 10.3.0.1, labels: {app: db}, ports: {http: 8081}"), Workload("address: 10.3.0.2, labels: {app: web}, weight: 5")),
        Sidecar("shop", "egress: [{hosts: [\"./*\"]}]", "egress: [{hosts: [\"./*\", \"data/*\"]}, {port: {number: 5432, protocol: TCP, name: t}, hosts: [\"data/*\"]}], outboundTrafficPolicy: {mode: REGISTRY_ONLY}",
            "workloadSelector: {labels: {version: v1}}, ingress: [{port: {number: 9080, protocol: HTTP, name: h}, defaultEndpoint: \"127.0.0.1:8080\"}], egress: [{hosts: [\"~/*\"]}]"),
        Sidecar("istio-system", "egress: [{hosts: [\"shop/*\", \"istio-system/*\"]}]", "outboundTrafficPolicy: {mode: REGISTRY_ONLY}, egress: [{hosts: [\"*/*\"]}]", "egress: [{port: {number: 8888, protocol: HTTP_PROXY, name: p}, bind: 127.0.0.1, hosts: [\"*/*\"]}]"),
        Policy("security.istio.io/v1", "PeerAuthentication", "mtls: {mode: STRICT}", "mtls: {mode: DISABLE}", "selector: {matchLabels: {app: web}}, mtls: {mode: PERMISSIVE}, portLevelMtls: {8080: {mode: DISABLE}}"),
        Policy("security.istio.io/v1", "AuthorizationPolicy", "action: DENY, rules: [{from: [{source: {namespaces: [other]}}]}]", "selector: {matchLabels: {app: web}}, rules: [{to: [{operation: {paths: [/a]}}]}]", "{}"),
        Policy("security.istio.io/v1", "RequestAuthentication", "jwtRules: [{issuer: i, jwks: '{\"keys\": []}'}]", "jwtRules: [{issuer: j, jwks: '{\"keys\": []}'}]", "selector: {matchLabels: {app: api}}, jwtRules: [{issuer: i, jwks: '{\"keys\": []}'}]"),
        Policy("telemetry.istio.io/v1", "Telemetry", "accessLogging: [{providers: [{name: envoy}]}]", "metrics: [{providers: [{name: prometheus}], overrides: [{disabled: true}]}]", "selector: {matchLabels: {version: v2}}, tracing: [{randomSamplingPercentage: 7}]"),
        Filter("configPatches: [{applyTo: CLUSTER, match: {context: SIDECAR_OUTBOUND}, patch: {operation: MERGE, value: {connect_timeout: 7s}}}]",
            "configPatches: [{applyTo: VIRTUAL_HOST, match: {context: SIDECAR_OUTBOUND}, patch: {operation: MERGE, value: {request_headers_to_remove: [x-gone]}}}]",
            "workloadSelector: {labels: {app: db}}, configPatches: [{applyTo: LISTENER, match: {context: ANY}, patch: {operation: MERGE, value: {per_connection_buffer_limit_bytes: 4096}}}]"),
        new("gateway", true, Gateway("80", "HTTP", ""), Gateway("443", "HTTPS", ", tls: {mode: SIMPLE, credentialName: cert}"), Gateway("443", "TLS", ", tls: {mode: PASSTHROUGH}")),
        new("secret", false, Secret("YQ=="), Secret("Yg=="), Secret("Yw==")),
        new("mesh", false, "mesh:outboundTrafficPolicy: {mode: REGISTRY_ONLY}", "mesh:accessLogFile: /dev/stdout\nconnectTimeout: 3s", "mesh:defaultConfig: {tracing: {sampling: 9}}\nenableTracing: true"),
    ];

    private static ResourceVariants Service(string name, string ns, string one, string two, string three) =>
        new($"service {name}", true, Object("v1", "Service", name, ns, one), Object("v1", "Service", name, ns, two), Object("v1", "Service", name, ns, three));

    private static ResourceVariants Slice(string service, string ns, string port, string one, string two, string three, string? name = null, bool starts = true)
    {
        var number = port.Contains("9090", StringComparison.Ordinal) ? 9090 : service == "db" ? 5432 : 8080;
        string Of(string endpoints) => $$"""
            apiVersion: discovery.k8s.io/v1
            kind: EndpointSlice
            metadata: {name: {{name ?? service}}-1, namespace: {{ns}}, labels: {kubernetes.io/service-name: {{service}} } }
            addressType: IPv4
            ports: [{name: {{port.Split(',')[0]}}, port: {{number}} }]
            endpoints: [{{endpoints}}]
            """;
        return new($"slice {name ?? service}", starts, Of(one), Of(two), Of(three));
    }

    private static ResourceVariants Pod(string name, string ns, string ip, string one, string two, string three)
    {
        string Of(string labels, string account) => $$"""
            apiVersion: v1
            kind: Pod
            metadata: {name: {{name}}, namespace: {{ns}}, labels: { {{labels}} } }
            spec: {serviceAccountName: {{account}}, nodeName: n1}
            status: {podIP: {{ip}}, phase: Running, conditions: [{type: Ready, status: "True"}]}
            """;
        return new($"pod {name}", true, Of(one, name[..^2]), Of(two, name[..^2]), Of(three, "another"));
    }

    private static string Node(string region, string zone) =>
        $"apiVersion: v1\nkind: Node\nmetadata: {{name: n1, labels: {{topology.kubernetes.io/region: {region}, topology.kubernetes.io/zone: {zone}}}}}\n";

    private static ResourceVariants VirtualService(string name, string ns, string one, string two, string three) => Networking("VirtualService", name, ns, one, two, three);

    private static ResourceVariants DestinationRule(string name, string ns, string one, string two, string three) => Networking("DestinationRule", name, ns, one, two, three);

    private static ResourceVariants Sidecar(string ns, string one, string two, string three) => Networking("Sidecar", "narrow", ns, one, two, three);

    private static ResourceVariants Filter(string one, string two, string three)
    {
        string Of(string spec) => Object("networking.istio.io/v1alpha3", "EnvoyFilter", "patch", "istio-system", $"spec: {{{spec}}}");
        return new("filter", false, Of(one), Of(two), Of(three));
    }

    private static ResourceVariants Policy(string version, string kind, string one, string two, string three)
    {
        string Of(string spec) => Object(version, kind, "policy", "shop", $"spec: {(spec == "{}" ? spec : $"{{{spec}}}")}");
        return new(kind, false, Of(one), Of(two), Of(three));
    }

    private static ResourceVariants Networking(string kind, string name, string ns, string one, string two, string three)
    {
        string Of(string spec) => Object("networking.istio.io/v1", kind, name, ns, $"spec: {{{spec}}}");
        return new($"{kind} {name}", false, Of(one), Of(two), Of(three));
    }

    private static string Entry(string spec) => Object("networking.istio.io/v1", "ServiceEntry", "entry", "shop", $"spec: {{{spec}}}");

    private static string Workload(string spec) => Object("networking.istio.io/v1", "WorkloadEntry", "vm", "shop", $"spec: {{{spec}}}");

    private static string Gateway(string port, string protocol, string rest) => Object("networking.istio.io/v1", "Gateway", "gw", "shop",
        $"spec: {{selector: {{istio: ingressgateway}}, servers: [{{port: {{number: {port}, protocol: {protocol}, name: p}}, hosts: [\"*\"]{rest}}}]}}");

    private static string Secret(string content) => Object("v1", "Secret", "cert", "istio-system", $"data: {{tls.crt: {content}, tls.key: {content}}}");

    private static string Object(string version, string kind, string name, string ns, string rest) =>
        $"apiVersion: {version}\nkind: {kind}\nmetadata: {{name: {name}, namespace: {ns}, creationTimestamp: \"2024-01-01T00:00:00Z\"}}\n{rest}\n";
}
