using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Mesh.Net.Tls.OpenSsl;

/// <summary>
/// The library's view of the bytes below it: it reads from the inner connection's Input and writes to its Output, with no buffer between
/// and no descriptor of its own. So TLS runs over any transport, and the loop decides when to send.
/// </summary>
internal static unsafe class SslBio
{
    private static readonly nint Method = CreateMethod();

    internal static nint Create(nint connectionHandle)
    {
        var bio = LibSsl.BioNew(Method);
        LibSsl.BioSetData(bio, connectionHandle);
        LibSsl.BioSetInit(bio, 1);
        return bio;
    }

    private static nint CreateMethod()
    {
        var name = (byte*)Unsafe.AsPointer(ref MemoryMarshal.GetReference("mesh\0"u8));
        var method = LibSsl.BioMethodNew(LibSsl.BioNewIndex() | LibSsl.BioTypeSource, name);
        LibSsl.BioMethodSetRead(method, &OnRead);
        LibSsl.BioMethodSetWrite(method, &OnWrite);
        LibSsl.BioMethodSetControl(method, &OnControl);
        return method;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int OnRead(nint bio, byte* target, int room)
    {
        var input = InnerOf(bio).Input;
        var count = Math.Min(room, input.Length);
        if (count == 0)
        {
            LibSsl.BioSetFlags(bio, LibSsl.BioRetryRead);
            return -1;
        }

        LibSsl.BioClearFlags(bio, LibSsl.BioRetryAll);
        input.Span[..count].CopyTo(new Span<byte>(target, count));
        input.Consume(count);
        return count;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int OnWrite(nint bio, byte* bytes, int count)
    {
        var inner = InnerOf(bio);
        if (inner.IsOpen) inner.Output.Write(new ReadOnlySpan<byte>(bytes, count));
        return count;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nint OnControl(nint bio, int command, nint number, nint pointer) => command == LibSsl.BioControlFlush ? 1 : 0;

    private static Connection InnerOf(nint bio) =>
        Unsafe.As<OpenSslConnection>(GCHandle.FromIntPtr(LibSsl.BioGetData(bio)).Target!).Inner;
}
