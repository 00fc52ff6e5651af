using Envoy.Service.Discovery.V3;
using Google.Protobuf;
using Grpc.AspNetCore.Server.Model;
using Grpc.Core;
using Mesh.Xds;

namespace Mesh.ControlPlane.Serve;

/// <summary>
/// The discovery services, declared by hand: requests are protobuf messages, responses are <see cref="DiscoveryReply"/>s whose bytes exist already.
/// </summary>
internal sealed class AdsMethods : IServiceMethodProvider<AdsService>
{
    private const string Ads = "envoy.service.discovery.v3.AggregatedDiscoveryService";
    private const string Sds = "envoy.service.secret.v3.SecretDiscoveryService";

    public static readonly Marshaller<DiscoveryReply> Reply = new(Write, _ => throw new NotSupportedException("replies are only written"));

    private static readonly Marshaller<DeltaDiscoveryRequest> DeltaRequest = Message(DeltaDiscoveryRequest.Parser);
    private static readonly Marshaller<DiscoveryRequest> Request = Message(DiscoveryRequest.Parser);

    public void OnServiceMethodDiscovery(ServiceMethodProviderContext<AdsService> context)
    {
        context.AddDuplexStreamingMethod(
            new Method<DeltaDiscoveryRequest, DiscoveryReply>(MethodType.DuplexStreaming, Ads, "DeltaAggregatedResources", DeltaRequest, Reply), [],
            (service, requests, _, call) => service.DeltaAsync(requests, call));
        context.AddDuplexStreamingMethod(
            new Method<DiscoveryRequest, DiscoveryReply>(MethodType.DuplexStreaming, Ads, "StreamAggregatedResources", Request, Reply), [],
            (service, requests, _, call) => service.WholeAsync(requests, call));
        context.AddDuplexStreamingMethod(
            new Method<DiscoveryRequest, DiscoveryReply>(MethodType.DuplexStreaming, Sds, "StreamSecrets", Request, Reply), [],
            (service, requests, replies, call) => service.LocalSecretsAsync(requests, replies, call));
    }

    private static void Write(DiscoveryReply reply, SerializationContext context)
    {
        context.SetPayloadLength(reply.CalculateSize());
        reply.WriteTo(context.GetBufferWriter());
        context.Complete();
    }

    private static Marshaller<T> Message<T>(MessageParser<T> parser) where T : IMessage<T> => new(
        (message, context) =>
        {
            context.SetPayloadLength(message.CalculateSize());
            message.WriteTo(context.GetBufferWriter());
            context.Complete();
        },
        context => parser.ParseFrom(context.PayloadAsReadOnlySequence()));
}
