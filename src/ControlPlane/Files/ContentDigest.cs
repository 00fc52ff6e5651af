using System.Security.Cryptography;
using System.Text;
using Mesh.Model.Yaml;

namespace Mesh.ControlPlane.Files;

/// <summary>A document's content without its places, so that one that only moved within its file counts as unchanged.</summary>
internal static class ContentDigest
{
    public static string Of(Node node)
    {
        var text = new StringBuilder();
        Write(node, text);
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString())).AsSpan(0, 16));
    }

    private static void Write(Node node, StringBuilder text)
    {
        switch (node)
        {
            case MapNode map:
                text.Append('{');
                foreach (var (key, value) in map.Fields)
                {
                    text.Append(key).Append('\u0001');
                    Write(value, text);
                }
                text.Append('}');
                break;
            case ListNode list:
                text.Append('[');
                foreach (var item in list.Items) Write(item, text);
                text.Append(']');
                break;
            case ScalarNode scalar:
                text.Append(scalar.IsQuoted ? '"' : '\'').Append(scalar.Text).Append('\u0002');
                break;
            default:
                throw new InvalidOperationException($"a node of a new kind: {node.GetType().Name}");
        }
    }
}
