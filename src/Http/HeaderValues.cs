namespace Mesh.Http;

/// <summary>The values of one name, in order, without a list.</summary>
public readonly ref struct HeaderValues
{
    private readonly Headers _headers;
    private readonly KnownHeader _id;
    private readonly ReadOnlySpan<byte> _name;

    internal HeaderValues(Headers headers, KnownHeader id, ReadOnlySpan<byte> name)
    {
        _headers = headers;
        _id = id;
        _name = name;
    }

    public Enumerator GetEnumerator() => new(this);

    public ref struct Enumerator
    {
        private readonly HeaderValues _values;
        private int _slot;

        internal Enumerator(HeaderValues values)
        {
            _values = values;
            _slot = -1;
        }

        public readonly ReadOnlySpan<byte> Current => _values._headers.ValueAt(_slot);

        public bool MoveNext()
        {
            _slot = _values._headers.Next(_values._id, _values._name, _slot + 1);
            if (_slot >= 0) return true;

            _slot = int.MaxValue - 1; // stays past the end
            return false;
        }
    }
}
