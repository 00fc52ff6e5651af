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
        var watched = new PluggedInFolder(authority, new Options { CaFolder = first.Path }, time, NullLogger<PluggedInFolder>.Instance);
        var before = authority.Signer;

        Assert.False(watched.Look(first.Path));
        second.Replace("ca-key.pem", "other.key");
        Assert.False(watched.Look(second.Path));
        Assert.Same(before, authority.Signer);

        using var third = new PluggedInCertificates();
        Assert.True(watched.Look(third.Path));
        Assert.NotEqual(before.Certificate, authority.Signer.Certificate);
    }
}
