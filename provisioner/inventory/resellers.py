"""A member of the network and its technicians, those who left too."""

from provisioner.inventory.fields import (
    Filled,
    Login,
    Moment,
    Name,
    PublicKey,
    SomebodysEmail,
    Text,
    TunnelKey,
)
from provisioner.inventory.models import Contact, Noun, Organisation


class Technician(Noun):
    """Somebody who works for a reseller; has an account of their own on every host they may serve.

    `tunnel_key` is public: by it the hub knows their laptop (`remote open` says what to write).
    `readmitted`: when somebody who had left was let in again, by name (`access admit`).
    """

    name: Filled
    email: SomebodysEmail = ""
    phone: Text = ""
    keys: list[PublicKey] = []
    tunnel_key: TunnelKey | None = None
    readmitted: Moment | None = None


class FormerTechnician(Noun):
    """A technician who left: no host of an office of the reseller's lets this login or one of these keys in again.

    `left` to the second, because who comes back and leaves again the same day is to be shut out again.
    """

    name: Filled
    left: Moment
    keys: list[PublicKey] = []


class Reseller(Noun):
    """A member of the network. `name` is the file's."""

    name: Name
    organisation: Organisation
    territory: list[Text] = []
    skills: list[Text] = []
    technicians: dict[Login, Technician]
    former: dict[Login, FormerTechnician] = {}

    def contacts(self) -> list[dict[str, str]]:
        """Whom a client calls (`name`, `phone`, `email`): the co-op's own contacts, then its technicians, who can be reached."""
        people: list[Contact | Technician] = [*self.organisation.contacts, *self.technicians.values()]
        return [{"name": one.name, "phone": one.phone, "email": one.email} for one in people if one.phone or one.email]
