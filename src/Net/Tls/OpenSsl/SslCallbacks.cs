using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Mesh.Net.Tls.OpenSsl;

/// <summary>What the library asks in the middle of a handshake. No exception may cross into it: what throws is a refusal.</summary>
internal static unsafe class SslCallbacks
{
    /// <summary>The peer showed its chain: is it believed?</summary>
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static int OnVerify(nint storeContext, nint argument)
    {
        var connection = ConnectionOf(LibSsl.StoreContextGetData(storeContext, LibSsl.StoreContextDataIndex()));
        try
        {
            if (connection.Judge(storeContext)) return 1;
        }
        catch (Exception e)
        {
            connection.Refusal = $"the peer's certificate could not be judged: {e.Message}";
        }

        LibSsl.StoreContextSetError(storeContext, LibSsl.VerifyErrorRejected);
        return 0;
    }

    /// <summary>The client offers protocols: ours is the first of our own that it knows.</summary>
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static int OnAlpn(nint ssl, byte** chosen, byte* chosenLength, byte* offered, uint offeredLength, nint argument)
    {
        var context = ConnectionOf(ssl).Context;
        for (var ours = context.AlpnWire.AsSpan(); !ours.IsEmpty; ours = ours[(1 + ours[0])..])
        {
            for (var at = 0; at < offeredLength && at + offered[at] < offeredLength; at += 1 + offered[at])
            {
                if (!new ReadOnlySpan<byte>(offered + at, 1 + offered[at]).SequenceEqual(ours[..(1 + ours[0])])) continue;

                *chosen = offered + at + 1;
                *chosenLength = offered[at];
                return LibSsl.TlsExtOk;
            }
        }

        return context.Settings.AlpnMismatchIsFatal ? LibSsl.TlsExtAlertFatal : LibSsl.TlsExtNoAck;
    }

    /// <summary>The client names the server it wants.</summary>
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static int OnServerName(nint ssl, int* alert, nint argument)
    {
        var name = LibSsl.GetServerName(ssl, 0);
        if (name is null) return LibSsl.TlsExtNoAck;

        try
        {
            ConnectionOf(ssl).ChooseContext(LibSsl.Text(name));
            return LibSsl.TlsExtOk;
        }
        catch (Exception e)
        {
            ConnectionOf(ssl).Refusal = $"no certificate could be chosen: {e.Message}";
            return LibSsl.TlsExtAlertFatal;
        }
    }

    /// <summary>A session that can be resumed later; ours to keep when we answer 1.</summary>
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static int OnNewSession(nint ssl, nint session) => ConnectionOf(ssl).KeepSession(session) ? 1 : 0;

    private static OpenSslConnection ConnectionOf(nint ssl) =>
        Unsafe.As<OpenSslConnection>(GCHandle.FromIntPtr(LibSsl.GetData(ssl, 0)).Target!);
}
