using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Net;
using System.Text;
using Mesh.Proxy.Config;
using Mesh.Proxy.Dns;

namespace Mesh.Tests.Proxy.Dns;

/// <summary>Istio: DNS proxying and the name table.</summary>
public sealed class DnsTests
{
    private static readonly NameTable Table = new(ImmutableDictionary<string, NameEntry>.Empty
        .Add("backend.demo.svc.cluster.local", new([IPAddress.Parse("10.96.0.1")], "Kubernetes", "backend", "demo", []))
        .Add("other.shop.svc.cluster.local", new([IPAddress.Parse("10.96.0.2"), IPAddress.Parse("fd00::2")], "Kubernetes", "other", "shop", []))
        .Add("*.wild.example.com", new([IPAddress.Parse("240.240.0.1")], "External", "", "", [])));

    [Theory]
    [InlineData("backend.demo.svc.cluster.local", true)]
    [InlineData("backend.demo.svc", true)]
    [InlineData("backend.demo", true)]
    [InlineData("backend", true)]
    [InlineData("other.shop", true)]
    [InlineData("other", false)]
    [InlineData("a.wild.example.com", true)]
    [InlineData("a.b.wild.example.com", true)]
    [InlineData("wild.example.com", false)]
    [InlineData("nobody.example.com", false)]
    public void Services_answer_to_the_names_a_pod_may_use(string name, bool expected) => Assert.Equal(expected, Index().TryFind(name, out _));

    [Fact]
    public void A_search_list_expansion_is_an_alias()
    {
        Assert.True(Index().TryFind("other.shop.demo.svc.cluster.local", out var answer));
        Assert.Equal("other.shop", answer.Alias);
        // What is a service's own name stays its own.
        Assert.True(Index().TryFind("backend.demo.svc.cluster.local", out var own));
        Assert.Null(own.Alias);
    }

    [Fact]
    public void An_answer_repeats_the_question_and_names_each_address()
    {
        var query = Query("Other.Shop", 1);
        Assert.True(DnsMessage.TryReadQuery(query, out var question));
        Assert.Equal(("other.shop", (ushort)1, (ushort)0x1234), (question.Name, question.Type, question.Id));

        var answer = DnsMessage.WriteAnswer(question, DnsStatus.NoError, null, [IPAddress.Parse("10.96.0.2")], 30, 512);
        Assert.Equal(0x8580, BinaryPrimitives.ReadUInt16BigEndian(answer.AsSpan(2)));
        Assert.Equal(1, BinaryPrimitives.ReadUInt16BigEndian(answer.AsSpan(6)));
        Assert.Equal(query[12..], answer[12..query.Length]);
        Assert.Equal([10, 96, 0, 2], answer[^4..]);
    }

    [Fact]
    public void An_answer_that_does_not_fit_says_that_it_is_cut()
    {
        DnsMessage.TryReadQuery(Query("a.b", 1), out var question);
        var answer = DnsMessage.WriteAnswer(question, DnsStatus.NoError, null, [.. Enumerable.Range(1, 200).Select(i => new IPAddress(new byte[] { 10, 0, 0, (byte)i }))], 30, 512);
        Assert.True(answer.Length <= 512);
        Assert.Equal(2, answer[2] & 2);
    }

    [Theory]
    [InlineData(new byte[] { 0 })]
    [InlineData(new byte[] { 1, (byte)'.', 0 })]
    [InlineData(new byte[] { 5, (byte)'a' })]
    [InlineData(new byte[] { 0xC0, 12 })]
    [InlineData(new byte[] { 2, (byte)'a', 0, 0 })]
    public void A_question_without_a_plain_name_is_not_answered_here(byte[] name)
    {
        byte[] query = [0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, .. name, 0, 1, 0, 1];
        var isRead = DnsMessage.TryReadQuery(query, out var question);
        Assert.True(!isRead || question.Name.Length == 0);
    }

    [Fact]
    public void Random_bytes_never_throw()
    {
        var random = Seeded();
        var bytes = new byte[64];
        for (var i = 0; i < 20_000; i++)
        {
            random.NextBytes(bytes);
            bytes[2] &= 7;
            bytes[4] = 0;
            bytes[5] = 1;
            DnsMessage.TryReadQuery(bytes.AsSpan(0, random.Next(64)), out _);
        }
    }

    [Fact]
    public void The_resolver_file_is_read_with_its_bounds()
    {
        var config = ResolverConfig.Parse("# comment\nnameserver 10.96.0.10\nnameserver nonsense\nsearch demo.svc.cluster.local svc.cluster.local\noptions ndots:5\n");
        Assert.Equal([new IPEndPoint(IPAddress.Parse("10.96.0.10"), 53)], config.Servers);
        Assert.Equal(["demo.svc.cluster.local", "svc.cluster.local"], config.Search);
    }

    private static NameIndex Index() => new(Table, "demo.svc.cluster.local", ["demo.svc.cluster.local", "svc.cluster.local"]);

    private static Random Seeded() => new(7);

    private static byte[] Query(string name, ushort type)
    {
        var bytes = new List<byte> { 0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0 };
        foreach (var label in name.Split('.')) bytes.AddRange([(byte)label.Length, .. Encoding.ASCII.GetBytes(label)]);
        bytes.AddRange([0, 0, (byte)type, 0, 1]);
        return [.. bytes];
    }
}
