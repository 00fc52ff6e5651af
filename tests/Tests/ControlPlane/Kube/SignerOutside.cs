using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using Mesh.Injector;
using Mesh.Kube;

namespace Mesh.Tests.ControlPlane.Kube;

/// <summary>A signer of the cluster, as an issuer's controller is one: signs what is approved and names it, with an intermediate under a root of its own. It can be told to misbehave.</summary>
internal sealed class SignerOutside(FakeCluster cluster, string name)
{
    private readonly ECDsa rootKey = ECDsa.Create(ECCurve.NamedCurves.nistP256), key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private X509Certificate2? root, middle;
    private int serial = 40;

    /// <summary>Changes what is signed: the request as read, its identity included.</summary>
    public Action<CertificateRequest> Twist { get; set; } = _ => { };

    /// <summary>What is answered in place of a certificate: a condition's type. Null: it signs. "": it does nothing.</summary>
    public string? Refusal { get; set; }

    /// <summary>Replaces what was signed.</summary>
    public Func<string, string> Deliver { get; set; } = pem => pem;

    public TimeSpan Life { get; set; } = TimeSpan.FromHours(1);

    public List<string> Asked { get; } = [];

    public string RootPem => Root.ExportCertificatePem();

    private static DateTimeOffset Now => TimeProvider.System.GetUtcNow();

    private X509Certificate2 Root
    {
        get
        {
            if (root is not null) return root;
            var request = new CertificateRequest("CN=outside root", rootKey, HashAlgorithmName.SHA256);
            request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
            return root = request.CreateSelfSigned(Now.AddDays(-1), Now.AddDays(100));
        }
    }

    private X509Certificate2 Middle
    {
        get
        {
            if (middle is not null) return middle;
            var request = new CertificateRequest("CN=outside issuer", key, HashAlgorithmName.SHA256);
            request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
            return middle = request.Create(Root.SubjectName, X509SignatureGenerator.CreateForECDsa(rootKey), Now.AddDays(-1), Now.AddDays(50), [9, 9]);
        }
    }

    /// <summary>Works until it is stopped.</summary>
    public async Task RunAsync(CancellationToken stop)
    {
        var stopped = new TaskCompletionSource();
        using var registration = stop.Register(stopped.SetResult);
        while (!stop.IsCancellationRequested)
        {
            var next = cluster.NextAsync();
            foreach (var request in cluster.All(KubeKinds.SigningRequest)) Tend(request);
            await Task.WhenAny(next, stopped.Task);
        }
    }

    private void Tend(JsonObject request)
    {
        var conditions = request.At("status", "conditions").Objects().Select(c => c["type"].Text()).ToList();
        if (request.At("spec", "signerName").Text() != name || !conditions.Contains("Approved") || conditions.Count > 1 || request.At("status", "certificate").Text() is not null || Refusal is "") return;

        if (!Asked.Contains(request.At("metadata", "name").Text()!)) Asked.Add(request.At("metadata", "name").Text()!);
        var status = request.MapAt("status");
        if (Refusal is { } type) ((JsonArray)status["conditions"]!).Add((JsonNode)new JsonObject { ["type"] = type, ["status"] = "True", ["reason"] = "Policy", ["message"] = "not this one" });
        else status["certificate"] = Convert.ToBase64String(Encoding.ASCII.GetBytes(Deliver(Sign(request.At("spec", "request").Text()!))));
        cluster.Put(request);
    }

    private string Sign(string encoded)
    {
        var pem = Encoding.ASCII.GetString(Convert.FromBase64String(encoded));
        var request = CertificateRequest.LoadSigningRequestPem(pem, HashAlgorithmName.SHA256, CertificateRequestLoadOptions.UnsafeLoadCertificateExtensions);
        Twist(request);
        var leaf = request.Create(Middle.SubjectName, X509SignatureGenerator.CreateForECDsa(key), Now.AddMinutes(-1), Now + Life, [1, (byte)serial++]);
        return leaf.ExportCertificatePem() + "\n" + Middle.ExportCertificatePem() + "\n";
    }
}
