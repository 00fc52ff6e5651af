using System.Buffers.Text;
using Mesh.Http;
using Mesh.Proxy.Config;
using Mesh.Proxy.Observe;

namespace Mesh.Proxy.Http;

/// <summary>A <see cref="HeaderMatch"/> made ready: the name looked up once, no allocation per request.</summary>
internal sealed class HeaderPredicate
{
    private readonly HeaderMatch match;
    private readonly HeaderName? name;
    private readonly byte[] pseudo;

    public HeaderPredicate(HeaderMatch match)
    {
        this.match = match;
        var isPseudo = match.Name.StartsWith(':');
        // Host and :authority are one thing, whichever of them the client's protocol carried.
        pseudo = isPseudo ? System.Text.Encoding.ASCII.GetBytes(match.Name) : match.Name == "host" ? ":authority"u8.ToArray() : [];
        name = pseudo.Length > 0 ? null : HeaderName.TryParse(match.Name) ?? throw new ConfigRefusedException("name", $"'{match.Name}' is no header name");
    }

    public bool IsMatch(RequestHead request)
    {
        if (pseudo.Length == 0) return IsMatch(request.Headers);
        var value = FormatSource.Pseudo(request, pseudo);
        return Decide(value, !value.IsEmpty);
    }

    public bool IsMatch(ResponseHead response)
    {
        if (pseudo.Length == 0) return IsMatch(response.Headers);
        Span<byte> digits = stackalloc byte[12];
        Utf8Formatter.TryFormat(response.Status, digits, out var length);
        return Decide(digits[..length], pseudo.AsSpan().SequenceEqual(":status"u8));
    }

    /// <summary>
    /// Several fields of one name: any of them that fits is enough, and an inverted match wants none that fits. Looked at one by one, as Envoy does: joined with
    /// commas, a second field would hide the first from a DENY rule.
    /// </summary>
    public bool IsMatch(Headers headers)
    {
        if (name is null || !headers.TryGet(name, out var first)) return Decide(default, false);
        if (match.Kind == HeaderMatchKind.Present) return Decide(first, true);
        foreach (var value in headers.Values(name))
            if (Fits(value)) return !match.Invert;
        return match.Invert;
    }

    private bool Decide(ReadOnlySpan<byte> value, bool has)
    {
        if (match.Kind == HeaderMatchKind.Present) return has == match.PresentWanted != match.Invert;
        if (!has && !match.TreatMissingAsEmpty) return false;
        return Fits(value) != match.Invert;
    }

    private bool Fits(ReadOnlySpan<byte> value) => match.Kind == HeaderMatchKind.Value
        ? match.Value!.IsMatch(value)
        : Utf8Parser.TryParse(value, out long number, out var used) && used == value.Length && match.Range.Contains(number);
}

/// <summary>A <see cref="QueryMatch"/> made ready.</summary>
internal sealed class QueryPredicate(QueryMatch match)
{
    private readonly byte[] name = System.Text.Encoding.UTF8.GetBytes(match.Name);

    public bool IsMatch(RequestHead request) =>
        QueryString.TryFind(request.Query, name, out var value) && (match.Value is null || match.Value.IsMatch(value));
}
