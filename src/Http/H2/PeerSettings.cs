using System.Buffers.Binary;

namespace Mesh.Http.H2;

/// <summary>RFC 9113 §6.5.2 and RFC 8441.</summary>
internal enum SettingId : ushort
{
    HeaderTableSize = 1,
    EnablePush = 2,
    MaxConcurrentStreams = 3,
    InitialWindowSize = 4,
    MaxFrameSize = 5,
    MaxHeaderListSize = 6,
    EnableConnectProtocol = 8,
    NoRfc7540Priorities = 9,
}

/// <summary>What the peer told us; the protocol's own values until it does.</summary>
internal struct PeerSettings()
{
    public uint HeaderTableBytes = 4096;
    public uint MaxConcurrentStreams = 100; // what we assume before its first SETTINGS, as RFC 9113 §6.5.2 advises
    public int InitialWindowBytes = 65535;
    public int MaxFrameBytes = 16384;
    public uint MaxHeaderListBytes = uint.MaxValue;
    public bool ExtendedConnect;
    public bool MaxConcurrentStreamsTold;

    /// <returns>None, or the connection error that a value is.</returns>
    public ProtocolError Apply(ReadOnlySpan<byte> payload, H2Role us)
    {
        for (; !payload.IsEmpty; payload = payload[6..])
        {
            var value = BinaryPrimitives.ReadUInt32BigEndian(payload[2..]);
            switch ((SettingId)BinaryPrimitives.ReadUInt16BigEndian(payload))
            {
                case SettingId.HeaderTableSize:
                    HeaderTableBytes = value;
                    break;
                case SettingId.EnablePush when value > 1 || (value == 1 && us == H2Role.Client):
                    return H2Errors.BadSetting;
                case SettingId.MaxConcurrentStreams:
                    MaxConcurrentStreams = value;
                    MaxConcurrentStreamsTold = true;
                    break;
                case SettingId.InitialWindowSize when value > int.MaxValue:
                    return H2Errors.WindowSettingTooLarge;
                case SettingId.InitialWindowSize:
                    InitialWindowBytes = (int)value;
                    break;
                case SettingId.MaxFrameSize when value is < 16384 or > 16777215:
                    return H2Errors.BadSetting;
                case SettingId.MaxFrameSize:
                    MaxFrameBytes = (int)value;
                    break;
                case SettingId.MaxHeaderListSize:
                    MaxHeaderListBytes = value;
                    break;
                case SettingId.EnableConnectProtocol when value > 1 || (value == 0 && ExtendedConnect):
                    return H2Errors.BadSetting;
                case SettingId.EnableConnectProtocol:
                    ExtendedConnect = value == 1;
                    break;
                default:
                    break; // unknown settings mean nothing (§6.5.2)
            }
        }

        if (!MaxConcurrentStreamsTold) MaxConcurrentStreams = uint.MaxValue; // SETTINGS without it: no limit
        return default;
    }
}
