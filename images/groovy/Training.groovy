// What the class archive is made from: a little of what programs are made of.
class Point { int x, y; String toString() { "$x/$y" } }
def counts = "one two one".split(" ").countBy { it }
println "$counts ${new Point(x: 1, y: 2)} ${[3, 1, 2].sort().collect { it * it }.sum()}"
System.in.eachLine { println it }
try { throw new IllegalStateException("x") } catch (Exception e) { println e.message }
println new groovy.json.JsonSlurper().parseText('{"a": [1, 2]}').a
args.each { println it }
