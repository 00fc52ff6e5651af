using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;

namespace Mesh.Proxy.Control;

/// <summary>grpc.health.v1.Health/Check, whose two messages have one field each: written by hand rather than generated.</summary>
internal static class GrpcHealth
{
    private static readonly Method<string, byte[]> Check = new(
        MethodType.Unary, "grpc.health.v1.Health", "Check",
        Marshallers.Create(Request, static bytes => System.Text.Encoding.UTF8.GetString(bytes)),
        Marshallers.Create(static (byte[] bytes) => bytes, static bytes => bytes));

    /// <returns>1 is SERVING.</returns>
    public static async Task<int> CheckAsync(GrpcChannel channel, string service, CancellationToken cancellation)
    {
        using var call = channel.CreateCallInvoker().AsyncUnaryCall(Check, null, new CallOptions(cancellationToken: cancellation), service);
        return Status(await call.ResponseAsync);
    }

    private static byte[] Request(string service)
    {
        using var stream = new MemoryStream();
        using var output = new CodedOutputStream(stream);
        if (service.Length > 0)
        {
            output.WriteTag(1, WireFormat.WireType.LengthDelimited);
            output.WriteString(service);
        }
        output.Flush();
        return stream.ToArray();
    }

    private static int Status(byte[] bytes)
    {
        var input = new CodedInputStream(bytes);
        var status = 0;
        for (var tag = input.ReadTag(); tag != 0; tag = input.ReadTag())
        {
            if (tag == WireFormat.MakeTag(1, WireFormat.WireType.Varint)) status = input.ReadEnum();
            else input.SkipLastField();
        }
        return status;
    }
}
