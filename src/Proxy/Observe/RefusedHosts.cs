using System.Text;

namespace Mesh.Proxy.Observe;

/// <summary>
/// What callers wanted outside the registry and did not get (outboundTrafficPolicy REGISTRY_ONLY), counted by name or address. One loop writes, a scrape reads.
/// </summary>
internal sealed class RefusedHosts
{
    /// <summary>Names are the caller's own invention; beyond so many of a loop further ones share one count.</summary>
    public const int HostsMax = 100;
    public const string Others = "other";
    private const int NameBytesMax = 253; // of a DNS name

    private readonly Dictionary<string, Entry> known = new(StringComparer.Ordinal);
    private volatile Entry[] list = [];

    internal sealed class Entry(string host)
    {
        public string Host { get; } = host;
        public long Count;
    }

    /// <summary>For a scrape, from any thread.</summary>
    public IReadOnlyList<Entry> All => list;

    /// <param name="authority">As the request has it; the port is left away.</param>
    public void Count(ReadOnlySpan<byte> authority)
    {
        var colon = authority.LastIndexOf((byte)':');
        if (colon > 0 && authority.LastIndexOf((byte)']') < colon) authority = authority[..colon];
        Count(authority.Length <= NameBytesMax ? Encoding.Latin1.GetString(authority).ToLowerInvariant() : "");
    }

    public void Count(string host) => Of(IsName(host) ? host : Others).Count++;

    private Entry Of(string host)
    {
        if (known.TryGetValue(host, out var entry)) return entry;
        if (known.Count >= HostsMax && host != Others) return Of(Others);
        known[host] = entry = new(host);
        list = [.. list, entry];
        return entry;
    }

    private static bool IsName(string host)
    {
        if (host.Length is 0 or > NameBytesMax) return false;
        foreach (var c in host)
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('.' or '-' or '_' or ':' or '[' or ']')) return false;
        return true;
    }
}
