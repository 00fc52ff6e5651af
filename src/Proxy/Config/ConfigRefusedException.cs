namespace Mesh.Proxy.Config;

/// <summary>A resource cannot be used: which field of it, and why. Becomes the sentence of a NACK; the last good resource stays in force.</summary>
internal sealed class ConfigRefusedException(string field, string why, Exception? inner = null) : Exception(field.Length == 0 ? why : $"{field}: {why}", inner)
{
    public ConfigRefusedException(string why)
        : this("", why)
    {
    }

    public string Field { get; } = field;
    public string Why { get; } = why;

    /// <summary>The same, seen from one level up.</summary>
    public ConfigRefusedException Under(string parent) =>
        new(Field.Length == 0 ? parent : Field[0] == '[' ? parent + Field : $"{parent}.{Field}", Why, InnerException ?? this);
}
