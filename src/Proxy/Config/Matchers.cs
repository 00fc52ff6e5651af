using System.Collections.Immutable;

namespace Mesh.Proxy.Config;

internal enum HeaderMatchKind { Present, Value, Range }

/// <summary>A predicate on one request header. Of several fields of the same name any that fits is enough.</summary>
internal sealed record HeaderMatch
{
    /// <summary>Lower case; pseudo-headers with their colon.</summary>
    public required string Name { get; init; }
    public HeaderMatchKind Kind { get; init; }
    /// <summary>For <see cref="HeaderMatchKind.Value"/>.</summary>
    public StringMatch? Value { get; init; }
    /// <summary>For <see cref="HeaderMatchKind.Range"/>.</summary>
    public Int64Range Range { get; init; }
    /// <summary>For <see cref="HeaderMatchKind.Present"/>: false means that the header must be absent.</summary>
    public bool PresentWanted { get; init; } = true;
    public bool Invert { get; init; }
    public bool TreatMissingAsEmpty { get; init; }
}

/// <summary>A predicate on the first query parameter of that name; null <see cref="Value"/> asks for presence only.</summary>
internal sealed record QueryMatch(string Name, StringMatch? Value);

/// <summary>A predicate on the metadata that filters leave with a request (claims of a token, decisions of shadow rules).</summary>
internal sealed record MetadataMatch(string Filter, ImmutableArray<string> Path, ValueMatch Value, bool Invert);

internal enum ValueMatchKind { Null, Number, NumberRange, Text, Flag, Present, AnyInList, Or }

internal sealed record ValueMatch(ValueMatchKind Kind)
{
    public StringMatch? Text { get; init; }
    public double Number { get; init; }
    public double NumberEnd { get; init; }
    public bool Flag { get; init; }
    /// <summary>For <see cref="ValueMatchKind.AnyInList"/> (one) and <see cref="ValueMatchKind.Or"/>.</summary>
    public ImmutableArray<ValueMatch> Inner { get; init; } = [];

    public bool IsMatch(MetadataValue? value) => Kind switch
    {
        ValueMatchKind.Null => value is { Text: null, Number: null, Flag: null, Items: null, Fields: null },
        ValueMatchKind.Present => value is not null == Flag,
        ValueMatchKind.Number => value?.Number is { } n && n == Number,
        ValueMatchKind.NumberRange => value?.Number is { } n && n >= Number && n < NumberEnd,
        ValueMatchKind.Flag => value?.Flag is { } f && f == Flag,
        ValueMatchKind.Text => value?.Text is { } t && Text!.IsMatch(t),
        ValueMatchKind.AnyInList => AnyItem(value),
        ValueMatchKind.Or => AnyInner(value),
        _ => false,
    };

    private bool AnyItem(MetadataValue? value)
    {
        if (value?.Items is not { } items) return false;
        foreach (var item in items) if (Inner[0].IsMatch(item)) return true;
        return false;
    }

    private bool AnyInner(MetadataValue? value)
    {
        foreach (var inner in Inner) if (inner.IsMatch(value)) return true;
        return false;
    }
}

internal enum HeaderEditKind { AppendIfExistsOrAdd, AddIfAbsent, OverwriteIfExistsOrAdd, OverwriteIfExists, Remove }

/// <summary>One change to a message's headers. The value may hold operators such as <c>%REQ(x)%</c>.</summary>
internal sealed record HeaderEdit(string Name, FormatText Value, HeaderEditKind Kind, bool KeepEmptyValue = false)
{
    public static HeaderEdit Remove(string name) => new(name, FormatText.Empty, HeaderEditKind.Remove);
}

/// <summary>Both directions' edits of one level (table, virtual host, route, weighted cluster). Removals run before additions.</summary>
internal sealed record HeaderEditSet(ImmutableArray<HeaderEdit> Request, ImmutableArray<HeaderEdit> Response)
{
    public static readonly HeaderEditSet None = new([], []);

    public CompiledCell Cell { get; } = new();

    public bool IsEmpty => Request.IsEmpty && Response.IsEmpty;
}

/// <summary>Text with substitution operators, as written; compiled where it is used (Observe/Format).</summary>
internal sealed record FormatText(string Text)
{
    public static readonly FormatText Empty = new("");

    public CompiledCell Cell { get; } = new();

    public bool HasOperators => Text.Contains('%', StringComparison.Ordinal);
}
