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
        var watched = new PluggedInFolder(authority, new(authority, () => [], time), new Options { CaFolder = first.Path }, time, NullLogger<PluggedInFolder>.Instance);
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
        var watched = new PluggedInFolder(authority, new(authority, () => distrustful, time), new Options { CaFolder = folder.Path }, time, NullLogger<PluggedInFolder>.Instance);
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
    public void A_revocation_list_beside_the_certificates_is_taken_up()
    {
        using var folder = new PluggedInCertificates();
        var time = TimeProvider.System;
        var authority = new CertificateAuthority(SigningMaterial.FromFolder(folder.Path, time.GetUtcNow()), TimeSpan.FromHours(24), TimeSpan.FromDays(90), time);
        var watched = new PluggedInFolder(authority, new(authority, () => [], time), new Options { CaFolder = folder.Path }, time, NullLogger<PluggedInFolder>.Instance);
        var roots = new Mesh.ControlPlane.Serve.RootsResource(authority);
        var before = roots.Current;

        Assert.Same(before, roots.Current);
        folder.Write("ca-crl.pem", "-----BEGIN X509 CRL-----\nAA==\n-----END X509 CRL-----\n");
        Assert.True(watched.Look(folder.Path));
        Assert.NotEqual(before.Version, roots.Current.Version);
    }

    private static readonly string[] Files = ["ca-cert.pem", "ca-key.pem", "cert-chain.pem", "root-cert.pem"];
}
