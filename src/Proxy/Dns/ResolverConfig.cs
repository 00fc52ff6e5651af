using System.Collections.Immutable;
using System.Net;

namespace Mesh.Proxy.Dns;

/// <summary>The pod's resolv.conf: whom to ask, and what to append to short names.</summary>
internal sealed record ResolverConfig(ImmutableArray<IPEndPoint> Servers, ImmutableArray<string> Search)
{
    private const int ServersMax = 8, SearchMax = 32;

    public static ResolverConfig Parse(string text)
    {
        var (servers, search) = (ImmutableArray.CreateBuilder<IPEndPoint>(), ImmutableArray<string>.Empty);
        foreach (var line in text.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            if (line[0] is '#' or ';') continue;
            var words = line.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
            if (words[0] == "nameserver" && words.Length > 1 && IPAddress.TryParse(words[1], out var address) && servers.Count < ServersMax) servers.Add(new(address, 53));
            // Of several lines the last counts; "domain" is a search list of one.
            else if (words[0] is "search" or "domain") search = [.. words.Skip(1).Take(SearchMax).Select(word => word.TrimEnd('.').ToLowerInvariant())];
        }
        return new(servers.ToImmutable(), search);
    }
}
