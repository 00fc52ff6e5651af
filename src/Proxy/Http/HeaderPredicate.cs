using System.Buffers;
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

    public bool IsMatch(Headers headers)
    {
        if (name is null) return Decide(default, false);
        var has = headers.TryGet(name, out var first);
        if (!has || match.Kind == HeaderMatchKind.Present || IsOnly(headers)) return Decide(first, has);
        return Joined(headers);
    }

    private bool IsOnly(Headers headers)
    {
        var count = 0;
        foreach (var _ in headers.Values(name!))
            if (++count > 1) return false;
        return true;
    }

    // Several fields of one name are one value with commas (RFC 9110 §5.2): a rule that looked at the first only could be walked around.
    private bool Joined(Headers headers)
    {
        var length = 0;
        foreach (var value in headers.Values(name!)) length += value.Length + 1;
        var rented = ArrayPool<byte>.Shared.Rent(length);
        var (at, isFirst) = (0, true);
        foreach (var value in headers.Values(name!))
        {
            if (!isFirst) rented[at++] = (byte)',';
            isFirst = false;
            value.CopyTo(rented.AsSpan(at));
            at += value.Length;
        }
        var result = Decide(rented.AsSpan(0, at), true);
        ArrayPool<byte>.Shared.Return(rented);
        return result;
    }

    private bool Decide(ReadOnlySpan<byte> value, bool has)
    {
        if (match.Kind == HeaderMatchKind.Present) return has == match.PresentWanted != match.Invert;
        if (!has && !match.TreatMissingAsEmpty) return false;
        if (match.Kind == HeaderMatchKind.Value) return match.Value!.IsMatch(value) != match.Invert;
        return (Utf8Parser.TryParse(value, out long number, out var used) && used == value.Length && match.Range.Contains(number)) != match.Invert;
    }
}

/// <summary>A <see cref="QueryMatch"/> made ready.</summary>
internal sealed class QueryPredicate(QueryMatch match)
{
    private readonly byte[] name = System.Text.Encoding.UTF8.GetBytes(match.Name);

    public bool IsMatch(RequestHead request) =>
        QueryString.TryFind(request.Query, name, out var value) && (match.Value is null || match.Value.IsMatch(value));
}
