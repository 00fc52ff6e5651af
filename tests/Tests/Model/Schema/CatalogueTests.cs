using Mesh.Model.Schema;

namespace Mesh.Tests.Model.Schema;

public sealed class CatalogueTests
{
    [Fact]
    public void Every_type_a_field_names_exists()
    {
        foreach (var message in Catalogue.Messages)
            foreach (var field in message.Fields)
                Assert.True(field.Kind is not FieldKind.Message || field.Message is not null, $"{message}.{field.Name}");
        foreach (var field in Catalogue.Messages.SelectMany(m => m.Fields).Where(f => f.Kind == FieldKind.Enum)) Assert.NotEmpty(field.Enum!.Values);
        foreach (var kind in Catalogue.Kinds) Assert.NotEmpty(kind.Spec.Name);
    }

    [Fact]
    public void A_field_answers_to_both_of_its_spellings() =>
        Assert.Same(Catalogue.Message("istio.networking.v1alpha3.HTTPRoute").Find("corsPolicy"), Catalogue.Message("istio.networking.v1alpha3.HTTPRoute").Find("cors_policy"));

    [Theory]
    [InlineData("1m30s", 90_000_000_000)]
    [InlineData("1.5s", 1_500_000_000)]
    [InlineData("0", 0)]
    [InlineData("-2ms", -2_000_000)]
    [InlineData("0.0005s", 500_000)]
    [InlineData("2h45m0.5s", 9_900_500_000_000)]
    public void Durations_are_read_as_Go_writes_them(string text, long nanoseconds)
    {
        Assert.True(GoDuration.TryParse(text, out var value, out _));
        Assert.Equal(nanoseconds, value);
    }

    [Theory]
    [InlineData("", "time: invalid duration \"\"")]
    [InlineData("5", "time: missing unit in duration \"5\"")]
    [InlineData("5 s", "time: unknown unit \" s\" in duration \"5 s\"")]
    [InlineData("s", "time: invalid duration \"s\"")]
    [InlineData("1..5s", "time: invalid duration \"1..5s\"")]
    [InlineData("9999999999h", "time: invalid duration \"9999999999h\"")]
    public void What_is_no_duration_is_refused_in_Gos_words(string text, string problem)
    {
        Assert.False(GoDuration.TryParse(text, out _, out var said));
        Assert.Equal(problem, said);
    }
}
