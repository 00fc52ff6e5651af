namespace Mesh.Http.H2;

/// <summary>The limits of one field block, counted on decoded bytes with 32 for each field (RFC 9113 §6.5.2).</summary>
internal struct FieldCount(HttpLimits limits)
{
    private int _bytes;
    private int _fields;

    public bool IsExceeded { get; private set; }

    public bool Admit(int nameBytes, int valueBytes)
    {
        _bytes += nameBytes + valueBytes + 32;
        _fields++;
        // Names that everybody sends are counted too: a pseudo-header is a field. Four of them come on top of the limit of fields.
        if (_bytes > limits.HeadBytesMax + 32 * (limits.FieldCountMax + 4) || _fields > limits.FieldCountMax + 4) IsExceeded = true;
        return !IsExceeded;
    }
}
