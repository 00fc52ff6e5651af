namespace Mesh.Http.Hpack;

/// <summary>Takes the fields of one block as they are decoded. Implemented by structs, so that the calls are direct.</summary>
internal interface IFieldSink
{
    /// <summary>Where names and values are put.</summary>
    Headers Arena { get; }

    /// <summary>Counts a field before anything of it is stored. False: it passes the limits; it is decoded for the table's sake only.</summary>
    bool Admit(int nameBytes, int valueBytes);

    /// <param name="name">Set for names without a token only.</param>
    /// <param name="isBad">The name or value holds what no message may hold.</param>
    void Add(byte token, Slice name, Slice value, bool neverIndexed, bool isBad);
}
