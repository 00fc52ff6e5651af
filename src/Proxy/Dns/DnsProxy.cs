using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Net;
using Mesh.Net;
using Mesh.Proxy.Config;

namespace Mesh.Proxy.Dns;

/// <summary>
/// Answers the pod's DNS queries: mesh names from the table, everything else by asking the pod's own resolvers. UDP and TCP, on one loop. Bounded: so many
/// questions wait for a resolver at a time, so many connections are open; beyond it the answer is SERVFAIL or the connection is closed.
/// </summary>
internal sealed class DnsProxy(Loop loop, ResolverConfig resolvers, string proxyDomain)
{
    public const uint TtlSeconds = 30;
    private const int MessageBytesMax = 4096;
    private const int ForwardedMax = 512;
    private const int ConnectionsMax = 128;

    private static readonly TimeSpan ResolverWait = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan ConnectionIdle = TimeSpan.FromSeconds(10);

    private DatagramSocket? socket;
    private Acceptor? acceptor;
    private NameTable? table;
    private NameIndex? names;
    private uint rotation;
    private int forwarded, connections;

    public long Queries { get; private set; }
    public long Answered { get; private set; }
    public long Failures { get; private set; }

    public void Use(Snapshot snapshot)
    {
        if (ReferenceEquals(snapshot.Names, table)) return;
        table = snapshot.Names;
        names = table is null ? null : new(table, proxyDomain, resolvers.Search);
    }

    /// <summary>Begins to serve. Throws <see cref="IOException"/> when the address is taken.</summary>
    public void Start(IPEndPoint address)
    {
        socket = loop.Transport.OpenDatagrams(address);
        acceptor = loop.Transport.Listen(socket.Local);
        _ = ServeDatagramsAsync(socket).Preserve();
        _ = AcceptAsync(acceptor).Preserve();
    }

    public IPEndPoint? Address => socket?.Local;

    public void Stop()
    {
        socket?.Close();
        acceptor?.Close();
    }

    /// <summary>The answer from the table; null when the question is for others.</summary>
    public byte[]? AnswerFromTable(in DnsQuestion question, int bytesMax)
    {
        if (names is null || question.Class != 1 || !names.TryFind(question.Name, out var known)) return null;

        // The mesh knows the name, so nobody else is asked about it: of other types it has nothing.
        var addresses = question.Type is (ushort)DnsType.A or (ushort)DnsType.Aaaa ? Rotated(DnsMessage.Of(known.Addresses, question.Type)) : [];
        return DnsMessage.WriteAnswer(question, DnsStatus.NoError, addresses.Count > 0 ? known.Alias : null, addresses, TtlSeconds, bytesMax);
    }

    private async ValueTask ServeDatagramsAsync(DatagramSocket from)
    {
        var buffer = new byte[MessageBytesMax];
        while (true)
        {
            var (length, peer, status) = await from.ReceiveAsync(buffer, Deadline.Never);
            if (status == IoStatus.Aborted) return;
            if (status != IoStatus.Ok || peer is null) continue;

            Queries++;
            if (!DnsMessage.TryReadQuery(buffer.AsSpan(0, length), out var question)) ForwardDatagram(from, buffer.AsMemory(0, length).ToArray(), peer, null);
            else if (AnswerFromTable(question, question.UdpBytesMax) is { } answer) Reply(from, answer, peer);
            else ForwardDatagram(from, buffer.AsMemory(0, length).ToArray(), peer, question);
        }
    }

    private void ForwardDatagram(DatagramSocket socketOfPeer, byte[] query, IPEndPoint peer, DnsQuestion? question) => _ = ForwardDatagramAsync(socketOfPeer, query, peer, question).Preserve();

    private async ValueTask ForwardDatagramAsync(DatagramSocket socketOfPeer, byte[] query, IPEndPoint peer, DnsQuestion? question)
    {
        var answer = await ForwardAsync(query);
        if (answer is null && question is { } asked) answer = DnsMessage.WriteAnswer(asked, DnsStatus.ServerFailure, null, [], 0, 512);
        if (answer is not null) socketOfPeer.Send(answer, peer);
    }

    private void Reply(DatagramSocket socketOfPeer, byte[] answer, IPEndPoint peer)
    {
        Answered++;
        socketOfPeer.Send(answer, peer);
    }

    /// <summary>Asks the pod's resolvers one after the other, each question from a port of its own, so that nobody can guess where an answer is awaited.</summary>
    private async ValueTask<byte[]?> ForwardAsync(byte[] query)
    {
        if (query.Length < DnsMessage.HeaderBytes || forwarded >= ForwardedMax)
        {
            Failures++;
            return null;
        }
        forwarded++;
        byte[]? answer = null;
        foreach (var server in resolvers.Servers)
        {
            answer = await AskAsync(server, query);
            if (answer is not null) break;
        }
        forwarded--;
        if (answer is null) Failures++;
        return answer;
    }

    private async ValueTask<byte[]?> AskAsync(IPEndPoint server, byte[] query)
    {
        DatagramSocket question;
        try
        {
            question = loop.Transport.OpenDatagrams(new(server.AddressFamily == System.Net.Sockets.AddressFamily.InterNetwork ? IPAddress.Any : IPAddress.IPv6Any, 0));
        }
        catch (IOException)
        {
            // Out of sockets: this question gets SERVFAIL, the proxy lives on.
            return null;
        }
        var deadline = Deadline.After(loop.Clock, ResolverWait);
        var buffer = new byte[MessageBytesMax];
        byte[]? answer = null;
        if (question.Send(query, server) == IoStatus.Ok)
        {
            while (answer is null)
            {
                var (length, from, status) = await question.ReceiveAsync(buffer, deadline);
                if (status != IoStatus.Ok) break;
                // Only an answer to this question from the one that was asked.
                if (server.Equals(from) && length >= DnsMessage.HeaderBytes && buffer.AsSpan(0, 2).SequenceEqual(query.AsSpan(0, 2)) && (buffer[2] & 0x80) != 0) answer = buffer[..length];
            }
        }
        question.Close();
        return answer;
    }

    private async ValueTask AcceptAsync(Acceptor from)
    {
        while (true)
        {
            var (connection, status) = await from.AcceptAsync(Deadline.Never);
            if (status == IoStatus.Aborted) return;
            if (connection is null) continue;

            if (connections >= ConnectionsMax) connection.Abort();
            else _ = ServeConnectionAsync(connection).Preserve();
        }
    }

    // Messages over TCP have two bytes of length in front (RFC 1035 §4.2.2).
    private async ValueTask ServeConnectionAsync(Connection connection)
    {
        connections++;
        while (await ReadMessageAsync(connection) is { } query)
        {
            Queries++;
            var isQuestion = DnsMessage.TryReadQuery(query, out var question);
            var answer = isQuestion ? AnswerFromTable(question, ushort.MaxValue) : null;
            if (answer is not null) Answered++;
            answer ??= await ForwardAsync(query) ?? (isQuestion ? DnsMessage.WriteAnswer(question, DnsStatus.ServerFailure, null, [], 0, 512) : null);
            if (answer is null) break;

            var framed = new byte[answer.Length + 2];
            BinaryPrimitives.WriteUInt16BigEndian(framed, (ushort)answer.Length);
            answer.CopyTo(framed, 2);
            if (await connection.WriteAsync(framed, Deadline.After(loop.Clock, ConnectionIdle)) != IoStatus.Ok) break;
        }
        connections--;
        connection.Close();
    }

    private async ValueTask<byte[]?> ReadMessageAsync(Connection connection)
    {
        var deadline = Deadline.After(loop.Clock, ConnectionIdle);
        while (true)
        {
            if (connection.Input.Length >= 2)
            {
                var length = BinaryPrimitives.ReadUInt16BigEndian(connection.Input.Span);
                if (length is < DnsMessage.HeaderBytes or > MessageBytesMax) return null;
                if (connection.Input.Length >= 2 + length)
                {
                    var message = connection.Input.Span.Slice(2, length).ToArray();
                    connection.Input.Consume(2 + length);
                    return message;
                }
            }
            if (await connection.FillAsync(deadline) != IoStatus.Ok) return null;
        }
    }

    // Callers that take the first address spread over all of them.
    private IReadOnlyList<IPAddress> Rotated(IReadOnlyList<IPAddress> addresses)
    {
        if (addresses.Count < 2) return addresses;
        var start = (int)(rotation++ % (uint)addresses.Count);
        return [.. addresses.Skip(start), .. addresses.Take(start)];
    }
}
