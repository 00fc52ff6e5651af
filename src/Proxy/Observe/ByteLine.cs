using System.Buffers.Text;
using System.Globalization;
using System.Net;
using System.Text;

namespace Mesh.Proxy.Observe;

/// <summary>Text being written into a caller's buffer. What does not fit is cut, and nothing throws: a log line is never worth a failed request.</summary>
internal ref struct ByteLine(Span<byte> room)
{
    private readonly Span<byte> room = room;

    public int Length { get; private set; }

    /// <summary>Something did not fit.</summary>
    public bool IsCut { get; private set; }

    public readonly ReadOnlySpan<byte> Written => room[..Length];

    private readonly Span<byte> Rest => room[Length..];

    public void Append(scoped ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > room.Length - Length)
        {
            IsCut = true;
            bytes = bytes[..(room.Length - Length)];
        }
        bytes.CopyTo(Rest);
        Length += bytes.Length;
    }

    public void Append(byte value)
    {
        if (Length < room.Length) room[Length++] = value;
        else IsCut = true;
    }

    public void Append(scoped ReadOnlySpan<char> text)
    {
        if (Encoding.UTF8.TryGetBytes(text, Rest, out var written)) Length += written;
        else IsCut = true;
    }

    public void Append(long number)
    {
        if (Utf8Formatter.TryFormat(number, Rest, out var written)) Length += written;
        else IsCut = true;
    }

    public void Append(ulong number)
    {
        if (Utf8Formatter.TryFormat(number, Rest, out var written)) Length += written;
        else IsCut = true;
    }

    public void Append(double number)
    {
        if (number.TryFormat(Rest, out var written, "R", CultureInfo.InvariantCulture)) Length += written;
        else IsCut = true;
    }

    public void Append(IPAddress address)
    {
        if (address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetwork)
        {
            AppendV4(address);
            return;
        }
        if (address.IsIPv4MappedToIPv6) address = address.MapToIPv4();
        if (address.TryFormat(Rest, out var written)) Length += written;
        else IsCut = true;
    }

    private void AppendV4(IPAddress address)
    {
        Span<byte> bytes = stackalloc byte[4], text = stackalloc byte[16];
        address.TryWriteBytes(bytes, out _);
        var at = 0;
        foreach (var part in bytes)
        {
            if (at > 0) text[at++] = (byte)'.';
            if (part >= 100) text[at++] = (byte)('0' + part / 100);
            if (part >= 10) text[at++] = (byte)('0' + part / 10 % 10);
            text[at++] = (byte)('0' + part % 10);
        }
        Append(text[..at]);
    }

    /// <summary>"10.0.0.1:80", "[::1]:80".</summary>
    public void Append(IPEndPoint endPoint)
    {
        var isV6 = endPoint.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6 && !endPoint.Address.IsIPv4MappedToIPv6;
        if (isV6) Append((byte)'[');
        Append(endPoint.Address);
        if (isV6) Append((byte)']');
        Append((byte)':');
        Append(endPoint.Port);
    }

    /// <summary>A number with leading zeros.</summary>
    public void AppendDigits(int number, int digits)
    {
        Span<byte> text = stackalloc byte[10];
        for (var i = digits - 1; i >= 0; i--, number /= 10) text[i] = (byte)('0' + number % 10);
        Append(text[..digits]);
    }

    /// <summary>Takes back what was written after that point.</summary>
    public void CutTo(int length) => Length = Math.Min(Length, length);
}
