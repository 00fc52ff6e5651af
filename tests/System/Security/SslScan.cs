using System.Diagnostics;
using System.Xml.Linq;

namespace Mesh.SystemTests.Security;

/// <summary>What sslscan, a scanner of another house, finds at a TLS port.</summary>
internal static class SslScan
{
    // Forward secrecy and authenticated encryption; whatever else is accepted is a finding.
    private static readonly string[] Strong =
    [
        "TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256",
        "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305",
    ];

    /// <returns>A sentence for each finding, after one for what is offered.</returns>
    public static async Task<(string Offered, IReadOnlyList<string> Findings)> OfAsync(string address, int port)
    {
        using var process = Process.Start(new ProcessStartInfo("sslscan", ["--no-colour", "--no-check-certificate", "--xml=-", $"{address}:{port}"]) { RedirectStandardOutput = true })!;
        var test = XDocument.Parse(await process.StandardOutput.ReadToEndAsync()).Descendants("ssltest").Single();
        await process.WaitForExitAsync();

        var protocols = test.Elements("protocol").Where(one => Is(one, "enabled")).Select(one => $"{one.Attribute("type")!.Value.ToUpperInvariant()}v{one.Attribute("version")!.Value}").ToList();
        var ciphers = test.Elements("cipher").Select(one => one.Attribute("cipher")!.Value).ToList();
        return (string.Join(' ', protocols), [
            .. protocols.Where(name => name is not ("TLSv1.2" or "TLSv1.3")).Select(name => $"{name} is spoken"),
            .. ciphers.Except(Strong).Select(name => $"{name} is accepted"),
            .. test.Elements("heartbleed").Where(one => Is(one, "vulnerable")).Select(one => $"heartbleed in {one.Attribute("sslversion")!.Value}"),
            .. test.Elements("compression").Where(one => Is(one, "supported")).Select(_ => "TLS compression"),
            .. test.Elements("renegotiation").Where(one => Is(one, "supported") && !Is(one, "secure")).Select(_ => "insecure renegotiation"),
            .. test.Elements("fallback").Where(one => !Is(one, "supported")).Select(_ => "no protection from downgrades (TLS_FALLBACK_SCSV)"),
        ]);
    }

    private static bool Is(XElement element, string attribute) => element.Attribute(attribute)?.Value == "1";
}
