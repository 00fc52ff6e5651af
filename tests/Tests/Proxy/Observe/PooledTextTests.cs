using System.Text;
using Mesh.Proxy.Observe;

namespace Mesh.Tests.Proxy.Observe;

public sealed class PooledTextTests
{
    [Fact]
    public void Text_and_bytes_and_numbers_stand_in_the_order_they_were_written()
    {
        using var text = new PooledText();

        text.Append("a").Append("b"u8).Append(-12).Append(0.25).Append(1e-7).Append(double.PositiveInfinity);

        Assert.Equal("ab-120.251E-07Infinity", text.ToString());
        Assert.Equal(Encoding.UTF8.GetByteCount(text.ToString()), text.Length);
    }

    [Theory]
    [InlineData(1023)]
    [InlineData(1024)]
    [InlineData(64 * 1024 - 1)]
    [InlineData(200 * 1024)]
    public void A_character_of_four_bytes_is_whole_wherever_a_piece_ends(int before)
    {
        var written = new string('x', before) + "\U0001F512" + new string('é', 3000);
        using var text = new PooledText();

        text.Append(written);

        Assert.Equal(written, Encoding.UTF8.GetString([.. text.Pieces.SelectMany(piece => piece.ToArray())]));
        Assert.Equal(Encoding.UTF8.GetByteCount(written), text.Length);
    }

    [Fact]
    public void Cleared_it_begins_anew()
    {
        using var text = new PooledText();
        text.Append(new string('x', 300_000));

        text.Clear();
        text.Append("again");

        Assert.Equal("again", text.ToString());
        Assert.Equal(5, text.Length);
    }
}
