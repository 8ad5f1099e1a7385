// What the compiler's class archive is made from: a little of what programs are made of.
import java.math.BigInteger

sealed class Shape
data class Circle(val radius: Double) : Shape()
data class Box(val width: Double, val height: Double) : Shape()

interface Named { val name: String }
class Dog(override val name: String) : Named { override fun toString() = "$name barks" }

fun area(shape: Shape): Double = when (shape) {
    is Circle -> Math.PI * shape.radius * shape.radius
    is Box -> shape.width * shape.height
}

fun <T : Comparable<T>> largest(values: List<T>): T? = values.maxBy { it }

fun main(args: Array<String>) {
    val counts = mutableMapOf<String, Int>()
    for (word in "one two one".split(" ")) counts[word] = (counts[word] ?: 0) + 1
    val squares = (1..10).filter { it % 2 == 0 }.map { it * it }.sum()
    var n = 0
    while (n < 3) n++
    try {
        "x".toInt()
    } catch (e: NumberFormatException) {
        println(e.message)
    }
    val lazyText: String by lazy { "lazy" }
    println("$counts $squares ${largest(listOf(1, 3, 2))} ${area(Box(1.0, 2.0))} ${Dog("rex")} $lazyText ${BigInteger.ONE}")
    generateSequence(::readLine).forEach { println(it) }
}
