namespace Mesh.Http.H2;

/// <summary>The limits of one field block, counted on decoded bytes, as Envoy counts them: without the 32 for each field of RFC 9113 §6.5.2.</summary>
internal struct FieldCount(HttpLimits limits)
{
    private int _bytes;
    private int _fields;

    public bool IsExceeded { get; private set; }

    /// <summary>By their bytes, not by their number.</summary>
    public bool IsTooLarge { get; private set; }

    public bool Admit(int nameBytes, int valueBytes)
    {
        _bytes += nameBytes + valueBytes;
        _fields++;
        // Names that everybody sends are counted too: a pseudo-header is a field.
        IsTooLarge |= _bytes > limits.HeadBytesMax;
        IsExceeded |= IsTooLarge || _fields > limits.FieldCountMax;
        return !IsExceeded;
    }
}
