using Mesh.ControlPlane;
using Mesh.ControlPlane.Ca;
using Microsoft.Extensions.Logging.Abstractions;

namespace Mesh.Tests.ControlPlane;

public sealed class PluggedInFolderTests
{
    [Fact]
    public void New_certificates_in_the_folder_sign_without_a_restart_and_bad_ones_change_nothing()
    {
        using var first = new PluggedInCertificates();
        using var second = new PluggedInCertificates();
        var time = TimeProvider.System;
        var authority = new CertificateAuthority(SigningMaterial.FromFolder(first.Path, time.GetUtcNow()), TimeSpan.FromHours(24), TimeSpan.FromDays(90), time);
        var watched = new PluggedInFolder(authority, new(authority, () => [], () => OtherReplicas.None, time), new Options { CaFolder = first.Path }, time, NullLogger<PluggedInFolder>.Instance);
        var before = authority.Signer;

        Assert.False(watched.Look(first.Path));
        second.Replace("ca-key.pem", "other.key");
        Assert.False(watched.Look(second.Path));
        Assert.Same(before, authority.Signer);

        second.Write("ca-key.pem", first.Read("ca-key.pem"));
        second.Write("ca-cert.pem", first.Read("ca-cert.pem"));
        second.Write("cert-chain.pem", first.Read("cert-chain.pem"));
        second.Write("root-cert.pem", first.Read("root-cert.pem") + "\n" + second.Read("root-cert.pem"));
        Assert.True(watched.Look(second.Path));
        Assert.Equal(2, authority.Signer.Roots.Count);
    }

    [Fact]
    public void A_root_is_changed_in_three_steps_each_refused_until_nobody_would_be_cut_off()
    {
        using var old = new PluggedInCertificates();
        using var young = new PluggedInCertificates();
        using var folder = new PluggedInCertificates();
        var time = new Mesh.Tests.Proxy.Security.ManualTime(TimeProvider.System.GetUtcNow());
        foreach (var file in Files) folder.Write(file, old.Read(file));
        var authority = new CertificateAuthority(SigningMaterial.FromFolder(folder.Path, time.GetUtcNow()), TimeSpan.FromHours(24), TimeSpan.FromDays(90), time);
        IReadOnlyList<string> distrustful = [];
        var watched = new PluggedInFolder(authority, new(authority, () => distrustful, () => OtherReplicas.None, time), new Options { CaFolder = folder.Path }, time, NullLogger<PluggedInFolder>.Instance);
        var told = 0;
        authority.Replaced += () => told++;

        // All at once, or without the old root's farewell: no.
        foreach (var file in Files) folder.Write(file, young.Read(file));
        Assert.False(watched.Look(folder.Path));
        Assert.Contains("in three steps", watched.Problem);
        folder.Write("root-cert.pem", old.Read("root-cert.pem") + "\n" + young.Read("root-cert.pem"));
        Assert.False(watched.Look(folder.Path));
        Assert.Contains("not believed by the mesh yet", watched.Problem);

        // One: both are believed, the old one signs.
        foreach (var file in Files[..3]) folder.Write(file, old.Read(file));
        Assert.True(watched.Look(folder.Path));
        Assert.Equal(1, told);

        // Two: the new one signs, once every proxy believes it.
        foreach (var file in Files[..3]) folder.Write(file, young.Read(file));
        distrustful = ["a.demo", "b.demo"];
        Assert.False(watched.Look(folder.Path));
        Assert.Contains("2 proxies do not believe the new root yet: a.demo, b.demo", watched.Problem);
        distrustful = [];
        Assert.True(watched.Look(folder.Path));
        Assert.Null(watched.Problem);

        // Three: the old one goes, once nothing leads to it.
        folder.Write("root-cert.pem", young.Read("root-cert.pem"));
        Assert.False(watched.Look(folder.Path));
        Assert.Contains("cannot go yet", watched.Problem);
        time.Advance(TimeSpan.FromHours(24.1));
        Assert.True(watched.Look(folder.Path));
        Assert.Single(authority.Signer.Roots);
        Assert.Equal(3, told);
    }

    [Fact]
    public void A_revocation_list_beside_the_certificates_is_taken_up_and_goes_to_proxies()
    {
        using var folder = new PluggedInCertificates();
        var (authority, watched, roots) = Watching(folder);
        var before = roots.Current;

        Assert.Same(before, roots.Current);
        var lists = folder.RevocationList("intermediate", Now.AddDays(1)) + folder.RevocationList("root", Now.AddDays(3));
        folder.Write("ca-crl.pem", lists);
        Assert.True(watched.Look(folder.Path), watched.Problem);
        Assert.NotEqual(before.Version, roots.Current.Version);
        Assert.Equal(Now.AddDays(1).ToUnixTimeSeconds(), RevocationText.NextUpdate(authority.Signer.RevocationListsPem)!.Value.ToUnixTimeSeconds());

        folder.Write("ca-crl.pem", "");
        Assert.True(watched.Look(folder.Path), watched.Problem);
        Assert.Equal(before.Version, roots.Current.Version);
    }

    public static TheoryData<string, string> BadLists => new()
    {
        { "garbage", "holds no revocation list" },
        { "-----BEGIN X509 CRL-----\nAA==\n-----END X509 CRL-----\n", "cannot be read" },
        { "-----BEGIN X509 CRL-----\n!!\n-----END X509 CRL-----\n", "cannot be read" },
        { "other", "signed by none of the roots and intermediates" },
        { "late", "out of date" },
        { "with a certificate", "something else among" },
        { "long", "larger than" },
    };

    // Proxies would refuse everybody for such a list.
    [Theory, MemberData(nameof(BadLists))]
    public void A_revocation_list_that_cannot_be_trusted_is_refused_and_the_one_in_use_stays(string what, string words)
    {
        using var folder = new PluggedInCertificates();
        var (authority, watched, roots) = Watching(folder);
        folder.Write("ca-crl.pem", folder.RevocationList("intermediate", Now.AddDays(1)));
        Assert.True(watched.Look(folder.Path), watched.Problem);
        var before = (authority.Signer, roots.Current.Version);

        folder.Write("ca-crl.pem", what switch
        {
            "other" => folder.RevocationList("other", Now.AddDays(1)),
            "late" => folder.RevocationList("intermediate", Now.AddHours(-1)),
            "with a certificate" => folder.RevocationList("root", Now.AddDays(1)) + folder.Read("root-cert.pem"),
            "long" => new string('x', 2 << 20),
            _ => what,
        });

        Assert.False(watched.Look(folder.Path));
        Assert.Contains(words, watched.Problem);
        Assert.Equal(before, (authority.Signer, roots.Current.Version));
    }

    private static readonly DateTimeOffset Now = TimeProvider.System.GetUtcNow();

    private static (CertificateAuthority, PluggedInFolder, Mesh.ControlPlane.Serve.RootsResource) Watching(PluggedInCertificates folder)
    {
        var (time, options) = (TimeProvider.System, new Options { CaFolder = folder.Path });
        var authority = new CertificateAuthority(SigningMaterial.FromFolder(folder.Path, time.GetUtcNow()), TimeSpan.FromHours(24), TimeSpan.FromDays(90), time);
        return (authority, new(authority, new(authority, () => [], () => OtherReplicas.None, time), options, time, NullLogger<PluggedInFolder>.Instance), new(authority, new(authority, options)));
    }

    private static readonly string[] Files = ["ca-cert.pem", "ca-key.pem", "cert-chain.pem", "root-cert.pem"];
}
