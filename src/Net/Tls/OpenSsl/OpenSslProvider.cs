namespace Mesh.Net.Tls.OpenSsl;

/// <summary>TLS by libssl, called on the loop.</summary>
/// <param name="time">What "now" means when certificates are judged.</param>
public sealed class OpenSslProvider(TimeProvider time) : TlsProvider
{
    private readonly TicketKeys ticketKeys = new(time);

    public override TlsContext CreateContext(TlsSettings settings) => new OpenSslContext(settings, time, ticketKeys);
}
