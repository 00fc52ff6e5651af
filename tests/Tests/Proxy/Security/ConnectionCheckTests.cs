using System.Net;
using System.Text;
using Mesh.Http;
using Mesh.Http.H2;
using Mesh.Net;
using Mesh.Proxy;
using Mesh.Proxy.Config;
using Mesh.Proxy.Http;
using Mesh.Proxy.Security;

namespace Mesh.Tests.Proxy.Security;

/// <summary>An authorizer asked over gRPC about TCP connections: what it hears, and what becomes of the connection.</summary>
public sealed class ConnectionCheckTests
{
    private static readonly IPEndPoint Authorizer = new(IPAddress.Loopback, 9191);

    [Theory]
    [InlineData("allows", false, true)]
    [InlineData("denies", false, false)]
    [InlineData("denies", true, false)]
    [InlineData("fails", false, false)]
    [InlineData("fails", true, true)]
    [InlineData("says nonsense", false, false)]
    [InlineData("never answers", false, false)]
    [InlineData("never answers", true, true)]
    [InlineData("is away", false, false)]
    [InlineData("is away", true, true)]
    public void The_connection_goes_on_only_with_permission(string authorizer, bool failsOpen, bool goesOn) => Assert.Equal((goesOn ? "hello" : "", true), Call(authorizer, failsOpen, asked: true));

    [Fact]
    public void Connections_that_no_policy_is_about_are_not_asked_about() => Assert.Equal(("hello", false), Call("denies", failsOpen: false, asked: false));

    private static (string Answer, bool WasAsked) Call(string authorizer, bool failsOpen, bool asked)
    {
        using var rig = new ProxyRig();
        var wasAsked = authorizer == "is away";
        rig.Server(async wire =>
        {
            while (await wire.ReadAsync(5) is { Length: 5 } text) await wire.WriteAsync(text);
        });
        if (authorizer != "is away")
            rig.Server(async wire =>
            {
                await ServeAsync(wire.Connection, authorizer, message =>
                {
                    wasAsked = true;
                    // Where from, and where to.
                    Assert.Contains("127.0.0.1", message);
                });
            }, Authorizer);
        rig.Use(Told(failsOpen, asked));

        var answer = "";
        rig.Run(async () =>
        {
            var wire = await rig.ConnectAsync();
            await wire.WriteAsync("hello");
            answer = await wire.ReadAsync(5);
            wire.Connection.Close();
        });
        return (answer, wasAsked);
    }

    private static async ValueTask ServeAsync(Connection io, string how, Action<string> heard)
    {
        var session = new H2Session(H2Role.Server, H2Settings.Default, HttpLimits.Default, io.Output, new H2StreamPool());
        io.FlushSoon();
        do Serve();
        while (await io.FillAsync(Deadline.Never) == IoStatus.Ok);

        void Serve()
        {
            var input = io.Input.Span;
            var length = input.Length;
            while (session.Read(ref input, 0) is { Kind: not H2EventKind.None } happened)
            {
                if (happened.Kind == H2EventKind.Data && happened.Data.Length > 0) heard(Encoding.Latin1.GetString(happened.Data));
                if (happened.Kind != H2EventKind.Request || how == "never answers") continue;

                var stream = happened.Stream!;
                Assert.Equal("/envoy.service.auth.v3.Authorization/Check", Encoding.ASCII.GetString(stream.Request.Path));
                var status = new FieldWriter().Message(1, new FieldWriter().Varint(1, how == "denies" ? 7UL : 0UL)).ToArray();
                var head = new ResponseHead { Status = how == "fails" ? 503 : 200, Body = BodyFraming.Streamed };
                head.Headers.Append(KnownHeader.ContentType, "application/grpc"u8);
                head.Headers.Append("grpc-status"u8, "0"u8);
                session.SendResponse(stream, head, how == "fails");
                if (how != "fails") session.SendData(stream, UnaryCall.Frame(how == "says nonsense" ? "\xFF\xFF\xFF"u8 : status), true);
            }
            io.Input.Consume(length - input.Length);
            io.FlushSoon();
        }
    }

    private static Snapshot Told(bool failsOpen, bool asked)
    {
        var policies = new AuthorizationPolicies(AuthorizationAction.Deny, [new("istio-ext-authz-p", [asked ? AuthorizationRule.Any : AuthorizationRule.Not(AuthorizationRule.Any)], [AuthorizationRule.Any])]);
        return Snapshot.Empty with
        {
            Clusters = Snapshot.Empty.Clusters.Add("server", To("server", ProxyRig.ServerAddress, UpstreamProtocol.Http1)).Add("authz", To("authz", Authorizer, UpstreamProtocol.Http2)),
            Listeners = Snapshot.Empty.Listeners.Add("main", new()
            {
                Name = "main", Address = SocketTarget.At(ProxyRig.ProxyAddress), Direction = TrafficDirection.Inbound,
                DefaultChain = new()
                {
                    Name = "tcp",
                    Filters =
                    [
                        new NetworkAuthorization("rbac", new() { Shadow = policies, ShadowPrefix = "istio_ext_authz_" }),
                        new NetworkExternalAuthorization("ext", "tcp.", new("authz", TimeSpan.FromSeconds(2)), failsOpen, false)
                        {
                            EnabledBy = new("envoy.filters.network.rbac", ["istio_ext_authz_shadow_effective_policy_id"], new(ValueMatchKind.Text) { Text = StringMatch.Prefix("istio-ext-authz") }, false),
                        },
                    ],
                    Tcp = new() { Clusters = [new("server", 1)] },
                },
            }),
        };
    }

    private static Cluster To(string name, IPEndPoint address, UpstreamProtocol protocol) => new()
    {
        Name = name, ConnectTimeout = TimeSpan.FromSeconds(1), Protocol = protocol,
        Endpoints = new() { Name = name, Localities = [new() { Endpoints = [new Endpoint { Address = SocketTarget.At(address) }] }] },
    };
}
