using System.Security.Cryptography;
using Mesh.ControlPlane.Ca;
using Mesh.Proxy;
using Mesh.Proxy.Control;
using Org.BouncyCastle.Crypto.Parameters;

namespace Mesh.Tests.Proxy;

/// <summary>The key under a workload's certificate: ECDSA P-256, RSA by option.</summary>
public sealed class WorkloadKeyTests
{
    private const string Identity = "spiffe://cluster.local/ns/demo/sa/web";

    [Fact]
    public void A_key_is_of_P256_unless_RSA_was_asked_for()
    {
        Assert.Null(BitsOf());
        Assert.Equal(3072, BitsOf(("WORKLOAD_RSA_KEY_SIZE", "3072")));
        Assert.Null(BitsOf(("WORKLOAD_RSA_KEY_SIZE", "2048"), ("ECC_SIGNATURE_ALGORITHM", "ECDSA")));

        using var key = WorkloadKey.Create(null);
        Assert.Equal(256, Assert.IsType<ECPublicKeyParameters>(SigningRequest.ReadKey(key.RequestPem(Identity), out _)).Parameters.N.BitLength);
        using var rsa = WorkloadKey.Create(2048);
        Assert.Equal(2048, Assert.IsType<RsaKeyParameters>(SigningRequest.ReadKey(rsa.RequestPem(Identity), out var problem), exactMatch: false).Modulus.BitLength);
        Assert.Equal("", problem);
        using var read = RSA.Create();
        read.ImportFromPem(rsa.ToPem());
        Assert.Equal(2048, read.KeySize);
    }

    [Theory]
    [InlineData("1024"), InlineData("16384"), InlineData("2049"), InlineData("many"), InlineData("-2048")]
    public void A_size_that_no_key_should_have_is_refused_at_the_start(string size) =>
        Assert.StartsWith($"WORKLOAD_RSA_KEY_SIZE: '{size}' is no size of an RSA key", Assert.Throws<BootstrapException>(() => BitsOf(("WORKLOAD_RSA_KEY_SIZE", size))).Message);

    private static int? BitsOf(params (string Name, string Value)[] environment) =>
        Bootstrap.Read(["proxy", "sidecar"], environment.ToDictionary(pair => pair.Name, pair => pair.Value), _ => null).RsaKeyBits;
}
