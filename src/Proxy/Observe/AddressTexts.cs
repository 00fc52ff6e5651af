using System.Net;

namespace Mesh.Proxy.Observe;

/// <summary>
/// Addresses as log lines write them. A connection's and an endpoint's addresses stand in line after line: each is written once and copied from then on, as long
/// as no other takes its place. Loop thread only.
/// </summary>
internal sealed class AddressTexts
{
    private const int Places = 512;

    /// <summary>"[1111:2222:3333:4444:5555:6666:255.255.255.255]:65535" and a little.</summary>
    private const int TextBytesMax = 64;

    private readonly IPEndPoint?[] _of = new IPEndPoint?[Places];
    private readonly byte[] _lengths = new byte[Places];
    private byte[] _texts = [];

    /// <summary>"10.0.0.1:80", "[::1]:80". Valid until the next call.</summary>
    public ReadOnlySpan<byte> Of(IPEndPoint address)
    {
        var place = address.Port & (Places - 1);
        var at = place * TextBytesMax;
        if (!ReferenceEquals(_of[place], address))
        {
            if (_texts.Length == 0) _texts = new byte[Places * TextBytesMax];
            var line = new ByteLine(_texts.AsSpan(at, TextBytesMax));
            line.Append(address);
            (_of[place], _lengths[place]) = (address, (byte)line.Length);
        }
        return _texts.AsSpan(at, _lengths[place]);
    }
}
