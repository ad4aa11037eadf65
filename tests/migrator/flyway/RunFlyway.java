import java.util.HashMap;
import java.util.Map;
import org.flywaydb.core.Flyway;
import org.flywaydb.core.api.configuration.FluentConfiguration;

/** Runs Flyway: URL, user, password, folder, then commands, flyway.x=y settings and name=value placeholders. */
public class RunFlyway {
  public static void main(String[] arguments) {
    FluentConfiguration configuration =
        Flyway.configure()
            .dataSource(arguments[0], arguments[1], arguments[2])
            .locations("filesystem:" + arguments[3]);
    Map<String, String> placeholders = new HashMap<>();
    for (int i = 4; i < arguments.length; i++) {
      String[] pair = arguments[i].split("=", 2);
      if (pair.length == 2 && pair[0].startsWith("flyway.")) {
        configuration.configuration(Map.of(pair[0], pair[1]));
      } else if (pair.length == 2) {
        placeholders.put(pair[0], pair[1]);
      }
    }
    Flyway flyway = configuration.placeholders(placeholders).load();
    for (int i = 4; i < arguments.length; i++) {
      switch (arguments[i]) {
        case "migrate" -> System.out.println("applied " + flyway.migrate().migrationsExecuted);
        case "validate" -> {
          flyway.validate();
          System.out.println("valid");
        }
        case "repair" -> flyway.repair();
        case "baseline" -> flyway.baseline();
        default -> {}
      }
    }
  }
}
