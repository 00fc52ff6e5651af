using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Mesh.Model.Validation;
using Mesh.Model.Yaml;

namespace Mesh.Model.Analysis.Analyzers;

/// <summary>Istio's Gateways: pods, Services, Secrets, and each other.</summary>
internal static class GatewayAnalyzers
{
    public static void Ports(Findings findings)
    {
        foreach (var gateway in findings.Resources.All("Gateway"))
        {
            var selector = Selector(gateway);
            var pods = findings.Resources.Pods.Where(p => LabelSelectors.Matches(selector, p.Labels)).ToList();
            if (pods.Count == 0)
            {
                SelectorNotFound(gateway, selector, findings);
                continue;
            }

            var served = ServedPorts(pods, findings.Resources);
            foreach (var port in gateway.Spec!.Children("servers").Select(s => s.Child("port")).OfType<Message>())
                if (!served.Contains(port.Number("number")))
                    findings.Add("IST0162", gateway, SelectorNode(gateway, selector), port.Number("number"), LabelSelectors.Shown(selector));
        }
    }

    public static void Certificates(Findings findings)
    {
        var gateways = findings.Resources.All("Gateway").ToList();
        foreach (var gateway in gateways)
            foreach (var other in gateways)
            {
                if (ReferenceEquals(gateway, other) || !IsSubset(Selector(gateway), Selector(other))) continue;
                foreach (var mine in Tls(gateway))
                    foreach (var theirs in Tls(other))
                        if (SameCertificate(mine, theirs))
                            findings.Add("IST0138", gateway, gateway.Node.At("metadata", "name"), Findings.Listed([gateway.FullName, other.FullName]));
            }
    }

    public static void Secrets(Findings findings)
    {
        foreach (var gateway in findings.Resources.All("Gateway"))
        {
            var selector = Selector(gateway);
            if (findings.Resources.Pods.FirstOrDefault(p => LabelSelectors.Matches(selector, p.Labels)) is not { } pod)
            {
                SelectorNotFound(gateway, selector, findings);
                continue;
            }
            foreach (var tls in Tls(gateway).Where(t => t.Has("credentialName")))
            {
                var name = tls.Text("credentialName");
                var secret = findings.Resources.Find("", "Secret", SecretName(pod.Namespace, name));
                if (secret is null) findings.Add("IST0101", gateway, tls.At("credentialName"), "credentialName", name);
                else if (!IsUsable(secret, findings.Time)) findings.Add("IST0161", gateway, tls.At("credentialName"), gateway.Name, pod.Namespace);
            }
        }
    }

    public static void Conflicts(Findings findings)
    {
        var gateways = findings.Resources.All("Gateway").ToList();
        foreach (var gateway in gateways)
        {
            var selector = Selector(gateway);
            var rivals = gateways.Where(g => !ReferenceEquals(g, gateway) && MeetOnPods(selector, Selector(g), findings.Resources)).ToList();
            foreach (var server in gateway.Spec!.Children("servers"))
            {
                var port = server.Child("port")?.Number("number") ?? 0;
                var conflicting = rivals.Where(r => r.Spec!.Children("servers").Any(s => Conflict(server, s, port))).Select(r => r.FullName).Order(StringComparer.Ordinal).ToList();
                if (conflicting.Count > 0)
                    findings.Add("IST0145", gateway, null, string.Join(',', conflicting), LabelSelectors.Shown(selector), port, string.Join(',', server.Texts("hosts")));
            }
        }
    }

    private static bool Conflict(Message server, Message other, long port) =>
        (other.Child("port")?.Number("number") ?? 0) == port && server.Text("bind") == other.Text("bind") && server.Texts("hosts").Intersect(other.Texts("hosts")).Any();

    /// <summary>The same selector, or one that contains the other and a pod that has both.</summary>
    private static bool MeetOnPods(Dictionary<string, string> one, Dictionary<string, string> other, ResourceSet resources)
    {
        var (a, b) = (LabelSelectors.Shown(one), LabelSelectors.Shown(other));
        if (a == b) return true;
        return (a.Contains(b, StringComparison.Ordinal) || b.Contains(a, StringComparison.Ordinal))
            && resources.Pods.Any(p => LabelSelectors.Matches(one, p.Labels) && LabelSelectors.Matches(other, p.Labels));
    }

    private static HashSet<long> ServedPorts(List<AnalyzedResource> pods, ResourceSet resources)
    {
        var ports = new HashSet<long>();
        foreach (var pod in pods)
            foreach (var service in resources.Services.Where(s => s.Namespace == pod.Namespace && LabelSelectors.Matches(s.Node.TextsAt("spec", "selector"), pod.Labels)))
                foreach (var port in service.Node.ItemsAt("spec", "ports").Where(p => p.TextAt("protocol") is "TCP"))
                {
                    if (port.NumberAt("port") is { } number) ports.Add(number);
                    if (port.NumberAt("targetPort") is { } target and not 0) ports.Add(target);
                }
        return ports;
    }

    private static void SelectorNotFound(AnalyzedResource gateway, Dictionary<string, string> selector, Findings findings) =>
        findings.Add("IST0101", gateway, SelectorNode(gateway, selector), "selector", LabelSelectors.Shown(selector));

    private static Node? SelectorNode(AnalyzedResource gateway, Dictionary<string, string> selector) =>
        gateway.Node.At("spec", "selector", LabelSelectors.FirstKey(selector));

    private static Dictionary<string, string> Selector(AnalyzedResource gateway) => gateway.Spec!.TextMap("selector").ToDictionary();
    private static IEnumerable<Message> Tls(AnalyzedResource gateway) => gateway.Spec!.Children("servers").Select(s => s.Child("tls")).OfType<Message>();
    private static bool IsSubset(Dictionary<string, string> one, Dictionary<string, string> other) => LabelSelectors.Matches(one, other);

    private static bool SameCertificate(Message a, Message b)
    {
        if (a.Has("credentialName") || b.Has("credentialName")) return a.Has("credentialName") && a.Text("credentialName") == b.Text("credentialName");
        return a.Has("serverCertificate") && a.Text("serverCertificate") == b.Text("serverCertificate") && a.Has("privateKey") && a.Text("privateKey") == b.Text("privateKey");
    }

    private static string SecretName(string space, string name)
    {
        const string Scheme = "kubernetes://";
        if (name.StartsWith(Scheme, StringComparison.Ordinal)) name = name[Scheme.Length..];
        return name.Contains('/') ? name : $"{space}/{name}";
    }

    /// <summary>PEM that parses and is valid now. The key is not looked at: not every source hands it out.</summary>
    private static bool IsUsable(AnalyzedResource secret, TimeProvider time)
    {
        var data = secret.Node.TextsAt("data");
        var encoded = Has("cert") && Has("key") ? data["cert"] : Has("tls.crt") && Has("tls.key") ? data["tls.crt"] : null;
        if (encoded is null) return false;

        var bytes = new byte[encoded.Length];
        if (!Convert.TryFromBase64String(encoded, bytes, out var length)) return false;
        try
        {
            using var certificate = X509Certificate2.CreateFromPem(System.Text.Encoding.ASCII.GetString(bytes, 0, length));
            var now = time.GetUtcNow().UtcDateTime;
            return now >= certificate.NotBefore.ToUniversalTime() && now <= certificate.NotAfter.ToUniversalTime();
        }
        catch (CryptographicException)
        {
            return false; // that is the answer: not a certificate
        }

        bool Has(string key) => data.TryGetValue(key, out var value) && value.Length > 0;
    }
}
