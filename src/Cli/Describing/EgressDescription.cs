using Mesh.Model.Resources;
using Mesh.Model.Translate;
using Mesh.Model.World;

namespace Mesh.Cli.Describing;

/// <summary>How a call to an external name would leave the mesh. Pure: a picture in, lines out.</summary>
internal static class EgressDescription
{
    public static void Write(Picture picture, string ns, LabelSet labels, string host, int? port, TextWriter to)
    {
        var (service, ways) = EgressTrace.Of(picture.World, ns, labels, host, port);
        to.WriteLine($"Calls to {host} from {(labels.Count > 0 ? $"workloads with {labels}" : "workloads")} of namespace {ns}");
        if (service is not null)
        {
            to.WriteLine($"{(service.Source is ServiceEntry ? "ServiceEntry" : service.Source.Meta.Kind)}: {service.Source.Namespace}/{service.Source.Name}{(service.Host == host ? "" : $" for {service.Host}")}");
            if (service.Ports.Any(known => known.Protocol.IsTls())) to.WriteLine("   The application's own TLS is passed on: rules see its SNI, and no request in it");
        }
        else to.WriteLine("ServiceEntry: none");
        foreach (var way in ways)
        {
            to.WriteLine($"Port {way.Port} ({way.Protocol}):");
            foreach (var hop in way.Hops) to.WriteLine($"   {hop.By}{(hop.Rule.Length > 0 ? $", by {hop.Rule}" : "")} -> {hop.To}, {hop.Security}");
            to.WriteLine($"   {char.ToUpperInvariant(way.End[0])}{way.End[1..]}");
        }
    }
}
