namespace Mesh.Proxy;

/// <summary>The letters of %RESPONSE_FLAGS%, Envoy's.</summary>
internal enum ResponseFlag : byte
{
    None, LH, UH, UT, LR, UR, UF, UC, UO, NR, DI, FI, RL, UAEX, RLSE, DC, URX, SI, IH, DPE, UMSDR, RFCF, NFCF, DT, UPE, NC, OM, DF, DO, DR, UDO,
}

/// <summary>The flags of one exchange, in the order in which they were raised ("URX,UF"). At most eight: more causes than one request can have.</summary>
internal readonly record struct ResponseFlags(ulong Packed)
{
    private static readonly string[] Names = Enum.GetNames<ResponseFlag>();

    public static ResponseFlags Empty => default;

    public bool IsEmpty => Packed == 0;

    public bool Has(ResponseFlag flag)
    {
        for (var rest = Packed; rest != 0; rest >>= 8)
            if ((ResponseFlag)(rest & 0xFF) == flag) return true;
        return false;
    }

    public ResponseFlags With(ResponseFlag flag)
    {
        if (flag == ResponseFlag.None || Has(flag)) return this;

        var shift = 0;
        while (shift < 64 && (Packed >> shift & 0xFF) != 0) shift += 8;
        return shift == 64 ? this : new(Packed | (ulong)flag << shift);
    }

    /// <summary>"-" when there are none. Allocates only for combinations.</summary>
    public override string ToString()
    {
        if (Packed == 0) return "-";
        if (Packed <= 0xFF) return Names[Packed];

        var text = Names[Packed & 0xFF];
        for (var rest = Packed >> 8; rest != 0; rest >>= 8) text = $"{text},{Names[rest & 0xFF]}";
        return text;
    }
}
