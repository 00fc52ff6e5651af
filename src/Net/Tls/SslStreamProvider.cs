namespace Mesh.Net.Tls;

/// <summary>TLS by SslStream: the reference, and the fallback where libssl cannot be called directly.</summary>
public sealed class SslStreamProvider(TimeProvider time) : TlsProvider
{
    public override TlsContext CreateContext(TlsSettings settings) => new SslStreamContext(settings, time);
}
