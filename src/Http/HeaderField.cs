using System.Text;

namespace Mesh.Http;

/// <summary>One field, as a view into the Headers that hold it: valid until they change.</summary>
public readonly ref struct HeaderField
{
    internal HeaderField(KnownHeader known, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, bool neverIndexed)
    {
        Known = known;
        Name = name;
        Value = value;
        NeverIndexed = neverIndexed;
    }

    public KnownHeader Known { get; }

    /// <summary>In the case it arrived in; compare with <see cref="Is(ReadOnlySpan{byte})"/>.</summary>
    public ReadOnlySpan<byte> Name { get; }

    public ReadOnlySpan<byte> Value { get; }

    /// <summary>Its sender asked that no hop ever puts it into a compression table (RFC 7541 §7.1.3).</summary>
    public bool NeverIndexed { get; }

    public bool Is(ReadOnlySpan<byte> name) => Ascii.EqualsIgnoreCase(Name, name);

    /// <summary>For logs and other cold paths.</summary>
    public override string ToString() => $"{Encoding.Latin1.GetString(Name)}: {Encoding.Latin1.GetString(Value)}";
}
