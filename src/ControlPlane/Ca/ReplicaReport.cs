using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Mesh.ControlPlane.Ca;

/// <summary>What one replica of the control plane knows of roots, for the others: they must not take a step that cuts off one of its proxies.</summary>
/// <param name="SignsUnder">Fingerprint of the root that its signer leads to.</param>
/// <param name="Roots">What it gives out, by fingerprint: until when a certificate that it issued under the root is in force.</param>
/// <param name="Waiting">So many of its proxies have not taken these roots yet.</param>
/// <param name="Names">Some of them.</param>
internal sealed record ReplicaReport(string Replica, string SignsUnder, ImmutableSortedDictionary<string, DateTimeOffset> Roots, int Waiting, ImmutableArray<string> Names)
{
    private const int NamesMax = 5;

    public static ReplicaReport Of(string replica, CertificateAuthority authority, IReadOnlyList<string> distrustful)
    {
        var signer = authority.Signer;
        return new(
            replica, SigningMaterial.Fingerprint(signer.Root), signer.Roots.ToImmutableSortedDictionary(SigningMaterial.Fingerprint, authority.UsedUntil, StringComparer.Ordinal),
            distrustful.Count, [.. distrustful.Take(NamesMax)]);
    }

    public string ToJson() => new JsonObject
    {
        ["signsUnder"] = SignsUnder,
        ["roots"] = new JsonObject(Roots.Select(root => KeyValuePair.Create(root.Key, (JsonNode?)root.Value.ToString("O", CultureInfo.InvariantCulture)))),
        ["waiting"] = Waiting,
        ["names"] = new JsonArray([.. Names.Select(name => (JsonNode)name)]),
    }.ToJsonString();

    /// <returns>Null when the text is no report.</returns>
    public static ReplicaReport? Read(string replica, string json)
    {
        try
        {
            var report = JsonNode.Parse(json)!.AsObject();
            var roots = report["roots"]!.AsObject().ToImmutableSortedDictionary(
                root => root.Key, root => DateTimeOffset.Parse(root.Value!.GetValue<string>(), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal), StringComparer.Ordinal);
            return new(replica, report["signsUnder"]!.GetValue<string>(), roots, report["waiting"]!.GetValue<int>(), [.. report["names"]!.AsArray().Take(NamesMax).Select(name => name!.GetValue<string>())]);
        }
        catch (Exception e) when (e is JsonException or FormatException or InvalidOperationException or NullReferenceException)
        {
            return null;
        }
    }
}

/// <summary>What is known of the other replicas.</summary>
/// <param name="Problem">Why it may not be all; null when it is.</param>
internal sealed record OtherReplicas(ImmutableArray<ReplicaReport> Reports, string? Problem)
{
    /// <summary>There are no others.</summary>
    public static readonly OtherReplicas None = new([], null);
}
