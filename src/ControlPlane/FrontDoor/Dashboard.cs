using System.Reflection;
using Microsoft.AspNetCore.Routing;

namespace Mesh.ControlPlane.FrontDoor;

/// <summary>The dashboard: one page, its script and its style, all from this program. It loads nothing from anywhere else.</summary>
internal static class Dashboard
{
    private const string Policy =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

    private static readonly (string File, string Type)[] Files =
    [
        ("index.html", "text/html; charset=utf-8"), ("dashboard.css", "text/css; charset=utf-8"), ("icon.svg", "image/svg+xml"),
        ("dashboard.js", "text/javascript; charset=utf-8"), ("graph.js", "text/javascript; charset=utf-8"), ("tables.js", "text/javascript; charset=utf-8"), ("words.js", "text/javascript; charset=utf-8"),
    ];

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/", () => Results.Redirect("/ui/"));
        foreach (var (file, type) in Files)
        {
            var content = Read(file);
            routes.MapGet(file == "index.html" ? "/ui" : $"/ui/{file}", (HttpContext context) =>
            {
                // One route answers with and without the slash at the end; what the page names stands relative to it.
                if (context.Request.Path == "/ui") return Results.Redirect("/ui/");

                var headers = context.Response.Headers;
                headers.ContentSecurityPolicy = Policy;
                headers.XContentTypeOptions = "nosniff";
                headers["Referrer-Policy"] = "no-referrer";
                headers.CacheControl = "no-cache";
                return Results.Bytes(content, type);
            });
        }
    }

    private static byte[] Read(string file)
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream($"page/{file}")!;
        using var bytes = new MemoryStream();
        stream.CopyTo(bytes);
        return bytes.ToArray();
    }
}
