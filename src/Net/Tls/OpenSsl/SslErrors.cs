namespace Mesh.Net.Tls.OpenSsl;

/// <summary>The library's error queue in words.</summary>
internal static unsafe class SslErrors
{
    private const int TextBytes = 256;

    /// <summary>Empties the queue.</summary>
    /// <returns>The first entry, which is the cause, shortened to its reason: "tlsv1 alert unknown ca".</returns>
    internal static string Take()
    {
        var first = LibSsl.ErrorGet();
        while (LibSsl.ErrorGet() != 0)
        {
            // Later entries say which caller passed the first one on.
        }

        if (first == 0) return "unexpected end of the stream";

        var buffer = stackalloc byte[TextBytes];
        LibSsl.ErrorString(first, buffer, TextBytes);
        // error:0A000086:SSL routines::certificate verify failed
        var text = LibSsl.Text(buffer);
        return text[(text.LastIndexOf(':') + 1)..];
    }
}
