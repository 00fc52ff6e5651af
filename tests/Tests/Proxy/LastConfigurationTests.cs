using System.Collections.Immutable;
using Envoy.Config.Core.V3;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Mesh.Proxy;
using Mesh.Proxy.Config;
using Mesh.Proxy.Control;
using Microsoft.Extensions.Logging.Abstractions;

namespace Mesh.Tests.Proxy;

/// <summary>What outlives the proxy's process: the configuration in the pod's data folder, keys only where nothing reaches a disk.</summary>
public sealed class LastConfigurationTests : IDisposable
{
    private readonly SettableClock time = new();
    private readonly string folder = Directory.CreateTempSubdirectory("mesh-last-").FullName;
    private readonly string memory = Directory.CreateDirectory($"/dev/shm/mesh-last-{Environment.ProcessId}-{Path.GetRandomFileName()}").FullName;

    public void Dispose()
    {
        Directory.Delete(folder, recursive: true);
        Directory.Delete(memory, recursive: true);
    }

    [Fact]
    public void What_is_written_is_read_again_with_names_and_versions()
    {
        Keeper().Write(State(), Certificate, Roots);
        var kept = Keeper().Read(out var problem);

        Assert.Equal("", problem);
        Assert.Equal(time.GetUtcNow(), kept!.ConfirmedAt);
        Assert.Equal(["Cluster a 1", "Listener l 2", "Secret kubernetes://tls 3"], kept.Received.Select(one => $"{one.TypeUrl[(one.TypeUrl.LastIndexOf('.') + 1)..]} {one.Resource.Name} {one.Resource.Version}").Order());
        Assert.Equal(["default", "ROOTCA"], kept.Own.Select(one => one.Name));
    }

    [Fact]
    public void Keys_are_in_memory_only()
    {
        Keeper().Write(State(), Certificate, Roots);

        Assert.DoesNotContain("KEY", File.ReadAllText(Path.Combine(folder, "last-configuration.pb")));
        Assert.Contains("KEY", File.ReadAllText(Path.Combine(memory, "last-secrets.pb")));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(memory, "last-secrets.pb")));
    }

    [Fact]
    public void Where_a_disk_stands_behind_the_folder_for_keys_none_are_written()
    {
        if (new DriveInfo(folder).DriveFormat is "tmpfs" or "ramfs") Assert.Skip("the folder for temporary files is memory here");
        var onDisk = Directory.CreateDirectory(Path.Combine(folder, "secrets")).FullName;
        Keeper(secrets: onDisk).Write(State(), Certificate, Roots);

        Assert.Empty(Directory.EnumerateFiles(onDisk));
        Assert.Empty(Keeper(secrets: onDisk).Read(out _)!.Own);
    }

    [Theory]
    [InlineData("sidecar~10.0.0.9~p.shop~d", "a", "1", "belongs to another proxy")]
    [InlineData("sidecar~10.0.0.1~p.shop~d", "b", "1", "belongs to another proxy")]
    [InlineData("sidecar~10.0.0.1~p.shop~d", "a", "2", "belongs to another proxy")]
    public void Of_another_pod_account_or_version_nothing_is_taken(string id, string account, string version, string why)
    {
        Keeper().Write(State(), Certificate, Roots);

        Assert.Null(Keeper(Node(id, account, version)).Read(out var problem));
        Assert.Contains(why, problem);
    }

    [Fact]
    public void It_grows_old_unless_it_is_confirmed()
    {
        Keeper().Write(State(), Certificate, Roots);
        time.Advance(TimeSpan.FromHours(20));
        Keeper().Confirm();
        time.Advance(TimeSpan.FromHours(20));
        Assert.NotNull(Keeper().Read(out _));

        time.Advance(TimeSpan.FromHours(5));
        Assert.Null(Keeper().Read(out var problem));
        Assert.Contains("longer ago than 1.00:00:00", problem);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(7)]
    [InlineData(60)]
    public void A_file_that_is_cut_is_no_file(int length)
    {
        Keeper().Write(State(), Certificate, Roots);
        var path = Path.Combine(folder, "last-configuration.pb");
        File.WriteAllBytes(path, File.ReadAllBytes(path)[..length]);
        File.SetLastWriteTimeUtc(path, time.GetUtcNow().UtcDateTime);

        Assert.Null(Keeper().Read(out var problem));
        Assert.NotEqual("", problem);
    }

    [Fact]
    public void More_than_the_measure_is_not_kept_at_all()
    {
        Keeper().Write(State(), Certificate, Roots);
        var large = new Any { TypeUrl = ResourceFromXds.ClusterType, Value = ByteString.CopyFrom(new byte[LastConfiguration.BytesMax]) };
        Keeper().Write(State(large), Certificate, Roots);

        Assert.Null(Keeper().Read(out var problem));
        Assert.Contains("is not there", problem);
    }

    [Fact]
    public void Without_a_folder_and_when_switched_off_nothing_happens()
    {
        var missing = Keeper(data: Path.Combine(folder, "nosuch"));
        missing.Write(State(), Certificate, Roots);
        Assert.Null(missing.Read(out var problem));
        Assert.Contains("there is no folder", problem);

        var off = Keeper(age: "0s");
        off.Write(State(), Certificate, Roots);
        Assert.Null(off.Read(out problem));
        Assert.Contains("switched off", problem);
        Assert.Empty(Directory.EnumerateFiles(folder));
    }

    private static readonly CertificateSecret Certificate = new("default", "CHAIN"u8.ToArray(), "KEY"u8.ToArray(), default, default, "1");
    private static readonly TrustSecret Roots = new("ROOTCA", new() { Roots = new("ROOTS"u8.ToArray(), []) });

    private LastConfiguration Keeper(Node? node = null, string? data = null, string? secrets = null, string age = "24h") => new(
        Bootstrap.Read(["proxy", "sidecar"], new Dictionary<string, string> { ["DATA_FOLDER"] = data ?? folder, ["SECRETS_FOLDER"] = secrets ?? memory, ["KEPT_CONFIGURATION_AGE_MAX"] = age }, _ => null),
        node ?? Node("sidecar~10.0.0.1~p.shop~d", "a", "1"), time, NullLogger.Instance);

    private static Node Node(string id, string account, string version) => new() { Id = id, UserAgentVersion = version, Metadata = new() { Fields = { ["SERVICE_ACCOUNT"] = Value.ForString(account) } } };

    private static ControlState State(Any? cluster = null) => new()
    {
        Resources = ImmutableDictionary<string, ImmutableDictionary<string, ReceivedResource>>.Empty
            .Add(ResourceFromXds.ClusterType, One("a", "1", cluster)).Add(ResourceFromXds.ListenerType, One("l", "2")).Add(ResourceFromXds.SecretType, One("kubernetes://tls", "3")),
    };

    private sealed class SettableClock : TimeProvider
    {
        private DateTimeOffset now = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

        public override DateTimeOffset GetUtcNow() => now;
        public void Advance(TimeSpan by) => now += by;
    }

    private static ImmutableDictionary<string, ReceivedResource> One(string name, string version, Any? body = null) =>
        ImmutableDictionary<string, ReceivedResource>.Empty.Add(name, new(version, body ?? new Any { TypeUrl = "t", Value = ByteString.CopyFromUtf8("body") }, default));
}
