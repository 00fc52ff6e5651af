using System.Net;
using Mesh.Net;
using Mesh.Proxy.Config;
using Mesh.Proxy.Tcp;

namespace Mesh.Proxy.Downstream;

/// <summary>Room 1 of 8: accepts connections, finds out where they were headed, and leads each through match and handshake to the room that serves it.</summary>
internal static class AcceptLoop
{
    public static async Task RunAsync(ListenerState state, Acceptor acceptor)
    {
        while (true)
        {
            var (connection, status) = await acceptor.AcceptAsync(Deadline.Never);
            if (status == IoStatus.Aborted) return;
            if (connection is not null) _ = ServeAsync(state.Present, connection);
        }
    }

    private static async Task ServeAsync(ListenerState state, Connection io)
    {
        var worker = state.Owner.Worker;
        if (worker.Pressure == Pressure.Critical || !state.Owner.Gate.TryEnter())
        {
            worker.Counters.ConnectionsShed++;
            io.Abort();
            return;
        }

        worker.Counters.DownstreamConnections++;
        worker.Counters.DownstreamConnectionsActive++;
        try
        {
            await LeadAsync(state, io);
        }
        finally
        {
            io.Close();
            worker.Counters.DownstreamConnectionsActive--;
            state.Owner.Gate.Leave();
        }
    }

    private static async ValueTask LeadAsync(ListenerState state, Connection io)
    {
        var addresses = io.Addresses;
        var local = addresses.Local as IPEndPoint ?? new(IPAddress.Loopback, 0);
        var destination = addresses.OriginalDestination ?? local;
        var isRedirected = !destination.Equals(local);
        if (state.Listener.UseOriginalDestination && isRedirected && state.Owner.For(destination) is { } carrier && carrier.Listener.Direction == state.Listener.Direction) state = carrier;

        var source = addresses.Peer as IPEndPoint ?? new(IPAddress.Loopback, 0);
        var client = new ClientConnection
        {
            Id = state.Owner.Worker.NextConnectionId(),
            Listener = state.Listener,
            LocalSocket = local,
            Destination = destination,
            IsRedirected = isRedirected,
            DirectSource = source,
            Source = source,
            StartedAt = io.Loop.Clock.GetTimestamp(),
        };
        var guest = new Guest(io);
        state.Add(guest, null);
        var seen = await Sniffer.LookAsync(state.Listener, client, io);
        ListenerState.Remove(guest);
        state = state.Heir;
        if (seen != IoStatus.Ok)
        {
            // What it sent was not read by anybody, and it should know.
            if (!io.Input.IsEmpty) io.Abort();
            return;
        }

        var traits = new ConnectionTraits(destination, client.Source, source, client.ServerName, client.IsTls ? "tls" : "raw_buffer", client.ApplicationProtocols);
        client.Chain = state.Matcher.Find(traits);
        if (client.Chain is not { } chain)
        {
            ConnectionRecord.NoChain(state, client);
            io.Abort();
            return;
        }

        if (chain.Tls is not null)
        {
            if (Misdirection.IsWatched(client, chain)) client.Rivals = state.Matcher;
            var secured = await Handshake.RunAsync(state.Owner.Worker, client, chain, io);
            if (secured is null)
            {
                if (chain.Tcp is not null) ConnectionRunner.RecordUnserved(worker: state.Owner.Worker, client, chain.Tcp);
                else ConnectionRecord.Unserved(state, client);
                return;
            }

            io = secured;
        }
        await ServeChainAsync(state, client, chain, io);
    }

    private static async ValueTask ServeChainAsync(ListenerState state, ClientConnection client, FilterChain chain, Connection io)
    {
        (state, chain) = state.ServerOf(chain);
        var worker = state.Owner.Worker;
        if (chain.Http is null)
        {
            var tcp = new ConnectionRunner(worker, client, io, chain);
            state.Add(tcp, chain);
            await tcp.RunAsync();
            ListenerState.Remove(tcp);
            return;
        }

        if (ConnectionRunner.RefusalOf(worker, client, chain) is { } refusal)
        {
            client.TerminationDetails = refusal;
            ConnectionRecord.Unserved(state, client);
            io.Abort();
            return;
        }

        var http = state.Http(chain);
        if (await SpeaksHttp2Async(client, http.Settings, io) is not { } isHttp2) return;

        if (isHttp2)
        {
            var h2 = new H2Downstream(worker, client, io, http);
            state.Add(h2, chain);
            await h2.RunAsync();
            ListenerState.Remove(h2);
        }
        else
        {
            var h1 = new H1Downstream(worker, client, io, http);
            state.Add(h1, chain);
            await h1.RunAsync();
            ListenerState.Remove(h1);
        }
    }

    /// <summary>By configuration, by what the handshake agreed on, or by the connection preface. Null: it ended before that could be told.</summary>
    private static async ValueTask<bool?> SpeaksHttp2Async(ClientConnection client, HttpConnectionSettings settings, Connection io)
    {
        if (settings.Codec == CodecKind.Http2) return true;
        if (settings.Codec == CodecKind.Http1) return client.Alpn == Security.TlsContexts.MeshH2;
        if (client.Alpn is "h2" or Security.TlsContexts.MeshH2) return true;
        if (client.Alpn is "http/1.1" or "http/1.0") return false;

        var deadline = Deadline.After(io.Loop.Clock, settings.IdleTimeout ?? TimeSpan.FromHours(1));
        while (true)
        {
            var bytes = io.Input.Span;
            var preface = Preface[..Math.Min(bytes.Length, Preface.Length)];
            if (!bytes.StartsWith(preface)) return false;
            if (preface.Length == Preface.Length) return true;
            if (await io.FillAsync(deadline) != IoStatus.Ok) return null;
        }
    }

    internal static ReadOnlySpan<byte> Preface => "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8;

    /// <summary>A connection that nobody serves yet.</summary>
    private sealed class Guest(Connection io) : ILiveConnection
    {
        public bool HasPeerIdentity => false;
        public ListenerState? Keeper { get; set; }

        // It has not said what it wants; it may still say so and be served by the chains it came for.
        public void Drain() { }

        public void Cut() => io.Abort();
    }
}
