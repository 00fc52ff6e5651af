using System.Buffers;
using System.Collections.Immutable;
using System.Text;
using Mesh.Http;
using Mesh.Proxy.Config;
using Mesh.Proxy.Observe;

namespace Mesh.Proxy.Http;

/// <summary>Header edits made ready: names looked up, values parsed into operators. Removals run before additions.</summary>
internal sealed class HeaderEdits
{
    private readonly Edit[] edits;

    private HeaderEdits(ImmutableArray<HeaderEdit> edits) => this.edits = [.. edits.Where(edit => edit.Kind == HeaderEditKind.Remove).Concat(edits.Where(edit => edit.Kind != HeaderEditKind.Remove)).Select(edit => new Edit(edit))];

    public static HeaderEdits Compile(ImmutableArray<HeaderEdit> edits) => new(edits);

    /// <exception cref="ConfigRefusedException">A name or a value that cannot be used.</exception>
    public static void Prepare(HeaderEditSet set) => Of(set);

    public static void ApplyToRequest(HeaderEditSet set, Exchange exchange)
    {
        if (!set.Request.IsEmpty) Of(set).Request.Apply(exchange, exchange.Request.Headers, exchange.Request);
    }

    public static void ApplyToResponse(HeaderEditSet set, Exchange exchange)
    {
        if (!set.Response.IsEmpty) Of(set).Response.Apply(exchange, exchange.Response.Headers, null);
    }

    /// <param name="request">Null for a response: then there is no authority to edit.</param>
    public void Apply(Exchange exchange, Headers headers, RequestHead? request)
    {
        foreach (var edit in edits) Apply(edit, exchange, headers, request);
    }

    private static void Apply(Edit edit, Exchange exchange, Headers headers, RequestHead? request)
    {
        if (edit.Kind == HeaderEditKind.Remove)
        {
            if (edit.Name is { } gone) headers.Remove(gone);
            return;
        }
        if (edit.Constant is { } constant)
        {
            Put(edit, headers, request, constant);
            return;
        }
        Span<byte> room = stackalloc byte[1024];
        var line = new ByteLine(room);
        edit.Format!.Write(ref line, new FormatSource(exchange), default);
        if (!line.IsCut)
        {
            Put(edit, headers, request, line.Written);
            return;
        }
        var rented = ArrayPool<byte>.Shared.Rent(64 * 1024);
        line = new ByteLine(rented);
        edit.Format.Write(ref line, new FormatSource(exchange), default);
        Put(edit, headers, request, line.Written);
        ArrayPool<byte>.Shared.Return(rented);
    }

    private static void Put(Edit edit, Headers headers, RequestHead? request, ReadOnlySpan<byte> value)
    {
        if (value.IsEmpty && !edit.KeepEmpty) return;
        if (edit.IsAuthority)
        {
            if (request is not null && edit.Kind != HeaderEditKind.AddIfAbsent) request.SetAuthority(value);
            return;
        }
        if (edit.IsPath)
        {
            if (request is not null && value.Length > 0 && value[0] == '/') request.SetPath(value);
            return;
        }
        if (edit.Name is not { } name) return;
        switch (edit.Kind)
        {
            case HeaderEditKind.AppendIfExistsOrAdd: headers.Append(name, value); break;
            case HeaderEditKind.AddIfAbsent when !headers.Has(name): headers.Append(name, value); break;
            case HeaderEditKind.OverwriteIfExistsOrAdd: headers.Set(name, value); break;
            case HeaderEditKind.OverwriteIfExists when headers.Has(name): headers.Set(name, value); break;
        }
    }

    private static Pair Of(HeaderEditSet set) => set.Cell.Get(set, static s => new Pair(new(s.Request), new(s.Response)));

    private sealed record Pair(HeaderEdits Request, HeaderEdits Response);

    private sealed class Edit
    {
        public Edit(HeaderEdit edit)
        {
            (Kind, KeepEmpty) = (edit.Kind, edit.KeepEmptyValue);
            IsAuthority = edit.Name is ":authority" or "host";
            IsPath = edit.Name == ":path";
            if (!IsAuthority && !IsPath) Name = HeaderName.TryParse(edit.Name) ?? throw new ConfigRefusedException("header.key", $"'{edit.Name}' is no header name");
            if (Kind == HeaderEditKind.Remove) return;

            var format = LineFormat.Of(edit.Value);
            if (format.Constant is { } constant) Constant = constant;
            else Format = format;
        }

        public HeaderEditKind Kind { get; }
        public HeaderName? Name { get; }
        public bool IsAuthority { get; }
        public bool IsPath { get; }
        public bool KeepEmpty { get; }
        public byte[]? Constant { get; }
        public LineFormat? Format { get; }
    }
}
