using Envoy.Extensions.TransportSockets.Tls.V3;
using Envoy.Service.Discovery.V3;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Mesh.Proxy.Config;
using Mesh.Proxy.Observe;
using Microsoft.Extensions.Logging;
using Node = Envoy.Config.Core.V3.Node;

namespace Mesh.Proxy.Control;

/// <param name="ConfirmedAt">When the control plane was last known to agree with it.</param>
internal sealed record KeptResources(DateTimeOffset ConfirmedAt, IReadOnlyList<(string TypeUrl, Resource Resource)> Received, IReadOnlyList<Resource> Own);

/// <summary>
/// What this proxy accepted last, on volumes that outlive its process but not its pod: a proxy that restarts while there is no control plane goes on with it.
/// Keys are written to memory only (decisions/015). Control scheduler only.
/// </summary>
internal sealed class LastConfiguration(Bootstrap bootstrap, Node node, TimeProvider time, ILogger log)
{
    /// <summary>Of each of the two files. A larger configuration is not kept: the volumes count against the pod's limits.</summary>
    public const int BytesMax = 64 << 20;

    private const string FileName = "last-configuration.pb", SecretsName = "last-secrets.pb", EndMark = "end";

    private readonly bool _isOn = bootstrap.KeptAgeMax > TimeSpan.Zero && Directory.Exists(bootstrap.DataFolder);
    private readonly bool _keepsSecrets = Directory.Exists(bootstrap.SecretsFolder) && IsMemory(bootstrap.SecretsFolder);
    private bool _hasComplained;

    private string Path => System.IO.Path.Combine(bootstrap.DataFolder, FileName);
    private string SecretsPath => System.IO.Path.Combine(bootstrap.SecretsFolder, SecretsName);

    /// <summary>Writes all that is in force; the former file stands until the new one is whole.</summary>
    public void Write(ControlState state, CertificateSecret? own, TrustSecret? roots)
    {
        if (!_isOn) return;
        try
        {
            Replace(Path, state.Resources.Keys.Where(type => type != ResourceFromXds.SecretType).Select(type => Of(state, type)));
            if (!_keepsSecrets) return;

            var ours = new DeltaDiscoveryResponse();
            if (own is not null) ours.Resources.Add(OwnResource(new() { Name = own.Name, TlsCertificate = new() { CertificateChain = Inline(own.ChainPem), PrivateKey = Inline(own.KeyPem) } }));
            if (roots?.Validation.Roots is { } trusted) ours.Resources.Add(OwnResource(new() { Name = roots.Name, ValidationContext = Context(trusted, roots.Validation) }));
            Replace(SecretsPath, [Of(state, ResourceFromXds.SecretType), ours]);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Complain(e.Message);
        }
    }

    /// <summary>The control plane has nothing newer: what is kept is as fresh as now.</summary>
    public void Confirm()
    {
        try
        {
            if (_isOn && File.Exists(Path)) File.SetLastWriteTimeUtc(Path, time.GetUtcNow().UtcDateTime);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Complain(e.Message);
        }
    }

    /// <param name="problem">Why there is nothing to go on with.</param>
    public KeptResources? Read(out string problem)
    {
        problem = "";
        if (bootstrap.KeptAgeMax <= TimeSpan.Zero) problem = "keeping configurations is switched off (KEPT_CONFIGURATION_AGE_MAX)";
        else if (!_isOn) problem = $"there is no folder {bootstrap.DataFolder} to keep one in";
        else if (!File.Exists(Path)) problem = $"none was accepted before in this pod ({Path} is not there)";
        if (problem.Length > 0) return null;

        try
        {
            DateTimeOffset at = File.GetLastWriteTimeUtc(Path);
            if (time.GetUtcNow() - at > bootstrap.KeptAgeMax)
            {
                problem = $"the kept one was last confirmed at {at:u}, longer ago than {bootstrap.KeptAgeMax} (KEPT_CONFIGURATION_AGE_MAX)";
                return null;
            }
            if (Load(Path) is not { } answers)
            {
                problem = $"{Path} belongs to another proxy";
                return null;
            }
            var secrets = _keepsSecrets && File.Exists(SecretsPath) ? Load(SecretsPath) ?? [] : [];
            var received = answers.Concat(secrets).Where(answer => answer.TypeUrl.Length > 0);
            return new(at, [.. received.SelectMany(answer => answer.Resources.Select(resource => (answer.TypeUrl, resource)))],
                [.. secrets.Where(answer => answer.TypeUrl.Length == 0).SelectMany(answer => answer.Resources)]);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidProtocolBufferException)
        {
            problem = $"the kept one cannot be read: {e.Message}";
            return null;
        }
    }

    private void Replace(string path, IEnumerable<DeltaDiscoveryResponse> answers)
    {
        var fresh = path + ".new";
        using (var file = new FileStream(fresh, new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite }))
        {
            new DeltaDiscoveryRequest { Node = node }.WriteDelimitedTo(file);
            foreach (var answer in answers)
            {
                answer.WriteDelimitedTo(file);
                if (file.Length <= BytesMax) continue;

                file.Dispose();
                File.Delete(fresh);
                File.Delete(path);
                Complain($"{path} would be larger than {BytesMax >> 20} MiB");
                return;
            }
            new DeltaDiscoveryResponse { Nonce = EndMark }.WriteDelimitedTo(file);
        }
        File.Move(fresh, path, overwrite: true);
        // The clock is ours, so that age is measured by one.
        File.SetLastWriteTimeUtc(path, time.GetUtcNow().UtcDateTime);
    }

    /// <returns>Null when another proxy wrote it.</returns>
    private List<DeltaDiscoveryResponse>? Load(string path)
    {
        using var file = File.OpenRead(path);
        if (file.Length > BytesMax) throw new IOException($"{path} is larger than {BytesMax >> 20} MiB");

        var writer = DeltaDiscoveryRequest.Parser.ParseDelimitedFrom(file).Node;
        if (writer is null || writer.Id != node.Id || writer.UserAgentVersion != node.UserAgentVersion || !Account(writer).Equals(Account(node), StringComparison.Ordinal)) return null;

        var answers = new List<DeltaDiscoveryResponse>();
        while (file.Position < file.Length) answers.Add(DeltaDiscoveryResponse.Parser.ParseDelimitedFrom(file));
        if (answers.Count == 0 || answers[^1].Nonce != EndMark) throw new IOException($"{path} is not whole");
        return answers[..^1];
    }

    private void Complain(string reason)
    {
        if (!_hasComplained) Log.SnapshotNotKept(log, reason); // once: it would say so at each change
        _hasComplained = true;
    }

    private static string Account(Node node) => node.Metadata?.Fields.GetValueOrDefault("SERVICE_ACCOUNT")?.StringValue ?? "";

    private static DeltaDiscoveryResponse Of(ControlState state, string typeUrl)
    {
        var answer = new DeltaDiscoveryResponse { TypeUrl = typeUrl };
        answer.Resources.AddRange(state.Of(typeUrl).Select(pair => new Resource { Name = pair.Key, Version = pair.Value.Version, Resource_ = pair.Value.Body }));
        return answer;
    }

    private static Resource OwnResource(Envoy.Extensions.TransportSockets.Tls.V3.Secret secret) => new() { Name = secret.Name, Resource_ = new() { TypeUrl = ResourceFromXds.SecretType, Value = secret.ToByteString() } };

    private static CertificateValidationContext Context(TrustedRoots roots, PeerValidation validation)
    {
        var context = new CertificateValidationContext { TrustedCa = Inline(roots.Pem) };
        if (!validation.CrlsPem.IsEmpty) context.Crl = new() { InlineBytes = ByteString.CopyFrom([.. validation.CrlsPem.SelectMany(list => list.ToArray())]) };
        return context;
    }

    private static Envoy.Config.Core.V3.DataSource Inline(ReadOnlyMemory<byte> bytes) => new() { InlineBytes = ByteString.CopyFrom(bytes.Span) };

    /// <summary>A volume with medium Memory, or /dev/shm: what is there never reaches a disk.</summary>
    private static bool IsMemory(string folder) => new DriveInfo(folder).DriveFormat is "tmpfs" or "ramfs";
}
