// What the compiler's class archive is made from: a little of what programs are made of.
import scala.collection.mutable
import scala.util.{Failure, Success, Try}

sealed trait Shape { def area: Double }
case class Circle(radius: Double) extends Shape { def area = math.Pi * radius * radius }
case class Box(width: Double, height: Double) extends Shape { def area = width * height }

object Training {
  def largest[T: Ordering](values: Seq[T]): Option[T] = if (values.isEmpty) None else Some(values.max)

  def main(args: Array[String]): Unit = {
    val counts = mutable.Map[String, Int]().withDefaultValue(0)
    for (word <- "one two one".split(" ") if word.nonEmpty) counts(word) += 1
    val shapes: List[Shape] = List(Circle(1), Box(1, 2))
    val names = shapes.map { case Circle(r) => s"circle $r"; case Box(w, h) => f"box $w%.1f x $h%.1f" }
    lazy val sum = (1 to 10).filter(_ % 2 == 0).foldLeft(0)(_ + _)
    Try("x".toInt) match {
      case Success(n) => println(n)
      case Failure(e) => println(e.getClass.getSimpleName)
    }
    var n = 0
    while (n < 3) n += 1
    println(s"$counts ${names.mkString(",")} $sum ${largest(Seq(1, 3, 2))} ${shapes.map(_.area).sum > 3}")
  }
}
